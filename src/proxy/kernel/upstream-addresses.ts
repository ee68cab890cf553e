import { type Address, expandLocalhost, formatAddress, ipFamily, isUnixSocket } from '../../lib/address.ts';
import { ADDRESS_MEMORY_BYTES, type Libc, type Memory } from '../../libc/libc.ts';
import { writeAddress } from '../../libc/sockaddr.ts';
import type { ResolveResult } from '../../system/dns.ts';

/** One address of the upstream, ready for connect(2). */
export interface ResolvedAddress {
  readonly address: Address;
  readonly family: number;
  readonly memory: Memory;
  readonly size: number;
}

/** A name is looked up again after this time; the known addresses serve until the answer arrives. */
const FRESH_FOR_MS = 5_000;

export interface AddressWaiter {
  /** The lookup has ended, with addresses or with an error. */
  onAddresses(): void;
}

export interface UpstreamAddresses {
  /**
   * @returns the addresses of the upstream, or the error code of their lookup; undefined while the lookup is pending, and
   *   then the waiter is called when it ends
   */
  get(now: number, waiter: AddressWaiter): readonly ResolvedAddress[] | { readonly code: string } | undefined;
  /** Takes the result of the lookup that `requestLookup` has started, and calls the waiters. */
  set(resolved: ResolveResult, now: number): void;
}

/**
 * The addresses of the upstream: fixed for an IP address, localhost and a unix socket, looked up for another name.
 * @param requestLookup starts a lookup of the upstream's name on a thread that may wait for it
 */
export const createUpstreamAddresses = (
  upstream: Address,
  libc: Libc,
  requestLookup: () => void,
): UpstreamAddresses => {
  const cache = new Map<string, ResolvedAddress>();
  const toResolvedAddress = (address: Address): ResolvedAddress => {
    const key = formatAddress(address);
    const known = cache.get(key);
    if (known) return known;
    const memory = libc.allocate(ADDRESS_MEMORY_BYTES);
    const entry = { address, memory, ...writeAddress(address, memory) };
    cache.set(key, entry);
    return entry;
  };

  /** Releases addresses that the name no longer has, so that a name with changing addresses does not leak memory. */
  const releaseAllExcept = (keptAddresses: readonly ResolvedAddress[] | { readonly code: string }): void => {
    for (const [key, entry] of cache)
      if (!('code' in keptAddresses) && !keptAddresses.includes(entry) && cache.delete(key))
        libc.release(entry.memory);
  };

  const literalAddresses = isUnixSocket(upstream)
    ? [upstream]
    : expandLocalhost(upstream.host).map((host) => ({ host, port: upstream.port }));
  const isName = !isUnixSocket(upstream) && literalAddresses.some(({ host }) => ipFamily(host) === 0);
  let known: readonly ResolvedAddress[] | { readonly code: string } | undefined = isName
    ? undefined
    : literalAddresses.map(toResolvedAddress);
  let requestedAt = Number.NEGATIVE_INFINITY;
  let freshForMs = 0;
  let isLookupPending = false;
  let waiters: AddressWaiter[] = [];

  return {
    get: (now, waiter) => {
      if (isName && !isLookupPending && now - requestedAt > freshForMs) {
        isLookupPending = true;
        requestedAt = now;
        requestLookup();
      }
      if (known === undefined || (isLookupPending && 'code' in known)) {
        waiters.push(waiter);
        return undefined;
      }
      return known;
    },
    set: (resolved, now) => {
      isLookupPending = false;
      requestedAt = now;
      // A failure is valid only for the waiters, which are called in this turn. The next dial looks the name up again.
      freshForMs = resolved.ok ? FRESH_FOR_MS : 0;
      known = resolved.ok ? resolved.addresses.map(toResolvedAddress) : { code: resolved.code };
      releaseAllExcept(known);
      const notified = waiters;
      waiters = [];
      for (const waiter of notified) waiter.onAddresses();
    },
  };
};
