import { type Address, expandLocalhost, formatAddress, ipFamily, isUnixSocket } from '../../lib/address.ts';
import type { ResolveResult } from '../../system/dns.ts';

/** One address of the upstream, as an engine dials it. */
export interface Candidate {
  readonly address: Address;
}

/** How an engine prepares an address for its dials. */
export interface CandidateFactory<C extends Candidate> {
  create(address: Address): C;
  /** Called for a candidate that is dialled no more. */
  release(candidate: C): void;
}

/** A name is looked up again after this time; the known addresses serve until the answer arrives. */
const FRESH_FOR_MS = 5_000;
/** The same, after the known addresses or the lookup have failed: the upstream may have moved. */
const FRESH_AFTER_FAILURE_FOR_MS = 500;

export interface AddressWaiter {
  /** The lookup has ended, with addresses or with an error. */
  onAddresses(): void;
}

export interface UpstreamAddresses<C extends Candidate> {
  /**
   * @returns the addresses of the upstream, or the error code of their lookup; undefined while the lookup is pending, and
   *   then the waiter is called when it ends
   */
  get(now: number, waiter: AddressWaiter): readonly C[] | { readonly code: string } | undefined;
  /** The waiter waits no longer. */
  forget(waiter: AddressWaiter): void;
  /** None of the addresses has answered: the name is soon looked up again. */
  onUnanswered(): void;
  /** Takes the result of the lookup that `requestLookup` has started, and calls the waiters. */
  set(resolved: ResolveResult, now: number): void;
}

/**
 * The addresses of the upstream: fixed for an IP address, localhost and a unix socket, looked up for another name. While
 * lookups fail, the addresses of the last one that succeeded are kept: the upstream may well be there.
 * @param requestLookup starts a lookup of the upstream's name without waiting for it
 */
export const createUpstreamAddresses = <C extends Candidate>(
  upstream: Address,
  factory: CandidateFactory<C>,
  requestLookup: () => void,
): UpstreamAddresses<C> => {
  const cache = new Map<string, C>();
  const toCandidate = (address: Address): C => {
    const key = formatAddress(address);
    const candidate = cache.get(key) ?? factory.create(address);
    cache.set(key, candidate);
    return candidate;
  };

  /** Releases addresses that the name no longer has, so that a name with changing addresses does not leak memory. */
  const releaseAllExcept = (keptCandidates: readonly C[]): void => {
    for (const [key, candidate] of cache)
      if (!keptCandidates.includes(candidate) && cache.delete(key)) factory.release(candidate);
  };

  const literalAddresses = isUnixSocket(upstream)
    ? [upstream]
    : expandLocalhost(upstream.host).map((host) => ({ host, port: upstream.port }));
  const isName = !isUnixSocket(upstream) && literalAddresses.some(({ host }) => ipFamily(host) === 0);
  let known: readonly C[] | { readonly code: string } | undefined = isName
    ? undefined
    : literalAddresses.map(toCandidate);
  let requestedAt = Number.NEGATIVE_INFINITY;
  let freshForMs = 0;
  let isLookupPending = false;
  /** The waiters take the result of the lookup as it is, however long it takes to call them all. */
  let isNotifying = false;
  let waiters = new Set<AddressWaiter>();

  return {
    get: (now, waiter) => {
      if (isName && !isLookupPending && !isNotifying && now - requestedAt > freshForMs) {
        isLookupPending = true;
        requestedAt = now;
        requestLookup();
      }
      if (known === undefined || (isLookupPending && 'code' in known)) {
        waiters.add(waiter);
        return undefined;
      }
      return known;
    },
    forget: (waiter) => waiters.delete(waiter),
    onUnanswered: () => {
      freshForMs = Math.min(freshForMs, FRESH_AFTER_FAILURE_FOR_MS);
    },
    set: (resolved, now) => {
      isLookupPending = false;
      requestedAt = now;
      if (resolved.ok) {
        freshForMs = FRESH_FOR_MS;
        known = resolved.addresses.map(toCandidate);
        releaseAllExcept(known);
      } else if (known === undefined || 'code' in known) {
        // The failure is valid only for the waiters, which are called in this turn. The next dial looks the name up again.
        freshForMs = 0;
        known = { code: resolved.code };
      } else freshForMs = FRESH_AFTER_FAILURE_FOR_MS;
      const notified = waiters;
      waiters = new Set();
      isNotifying = true;
      for (const waiter of notified) waiter.onAddresses();
      isNotifying = false;
    },
  };
};
