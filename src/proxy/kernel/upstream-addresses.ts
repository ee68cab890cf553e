import { type Address, expandLocalhost, formatAddress, ipFamily, isUnixSocket } from '../../lib/address.ts';
import { ADDRESS_MEMORY_BYTES, type Libc, type Memory } from '../../libc/libc.ts';
import { writeAddress } from '../../libc/sockaddr.ts';
import type { ResolveResult } from '../../system/dns.ts';

/** One address of the upstream, as connect(2) takes it. */
export interface ResolvedAddress {
  readonly address: Address;
  readonly family: number;
  readonly memory: Memory;
  readonly size: number;
}

/** A name is asked for again after so long; what it was serves until there is an answer. */
const FRESH_FOR_MS = 5_000;

export interface AddressWaiter {
  onAddresses(): void;
}

export interface UpstreamAddresses {
  /** All addresses of the upstream; undefined: they are being asked for, and the waiter is told when that is over. */
  get(now: number, waiter: AddressWaiter): readonly ResolvedAddress[] | { readonly code: string } | undefined;
  /** The answer to `ask`. */
  set(resolved: ResolveResult, now: number): void;
}

/** @param requestLookup has the upstream's name looked up, by a thread that may wait for it */
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

  /** A name that goes from address to address costs no more memory for it. */
  const releaseAllExcept = (kept: readonly ResolvedAddress[] | { readonly code: string }): void => {
    for (const [key, entry] of cache)
      if (!('code' in kept) && !kept.includes(entry) && cache.delete(key)) libc.release(entry.memory);
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
      // A failure is for those who have waited for it, in this turn of the loop.
      freshForMs = resolved.ok ? FRESH_FOR_MS : 0;
      known = resolved.ok ? resolved.addresses.map(toResolvedAddress) : { code: resolved.code };
      releaseAllExcept(known);
      const notified = waiters;
      waiters = [];
      for (const waiter of notified) waiter.onAddresses();
    },
  };
};
