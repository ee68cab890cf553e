import { type Address, formatAddress, ipFamily, isUnix, literalHosts } from '../../lib/address.ts';
import { ADDRESS_MEMORY_BYTES, type Libc, type Memory } from '../../libc/libc.ts';
import { writeAddress } from '../../libc/sockaddr.ts';
import type { Resolved } from '../../system/dns.ts';

/** One address of the upstream, as connect(2) takes it. */
export interface Target {
  readonly address: Address;
  readonly family: number;
  readonly memory: Memory;
  readonly size: number;
}

/** A name is asked for again after so long; what it was serves until there is an answer. */
const FRESH_MS = 5_000;

export interface Waiter {
  onTargets(): void;
}

export interface Targets {
  /** All addresses of the upstream; undefined: they are being asked for, and the waiter is told when that is over. */
  get(nowMs: number, waiter: Waiter): readonly Target[] | { readonly code: string } | undefined;
  /** The answer to `ask`. */
  set(resolved: Resolved, nowMs: number): void;
}

/** @param ask has the upstream's name looked up, by a thread that may wait for it */
export const createTargets = (upstream: Address, libc: Libc, ask: () => void): Targets => {
  const made = new Map<string, Target>();
  const targetOf = (address: Address): Target => {
    const key = formatAddress(address);
    const known = made.get(key);
    if (known) return known;
    const memory = libc.memory(ADDRESS_MEMORY_BYTES);
    const target = { address, memory, ...writeAddress(address, memory) };
    made.set(key, target);
    return target;
  };

  /** A name that goes from address to address costs no more memory for it. */
  const forgetAllBut = (kept: readonly Target[] | { readonly code: string }): void => {
    for (const [key, target] of made)
      if (!('code' in kept) && !kept.includes(target) && made.delete(key)) libc.release(target.memory);
  };

  const literal = isUnix(upstream)
    ? [upstream]
    : literalHosts(upstream.host).map((host) => ({ host, port: upstream.port }));
  const isName = !isUnix(upstream) && literal.some(({ host }) => ipFamily(host) === 0);
  let known: readonly Target[] | { readonly code: string } | undefined = isName
    ? undefined
    : literal.map(targetOf);
  let askedAtMs = Number.NEGATIVE_INFINITY;
  let freshMs = 0;
  let isAsking = false;
  let waiting: Waiter[] = [];

  return {
    get: (nowMs, waiter) => {
      if (isName && !isAsking && nowMs - askedAtMs > freshMs) {
        isAsking = true;
        askedAtMs = nowMs;
        ask();
      }
      if (known === undefined || (isAsking && 'code' in known)) {
        waiting.push(waiter);
        return undefined;
      }
      return known;
    },
    set: (resolved, nowMs) => {
      isAsking = false;
      askedAtMs = nowMs;
      // A failure is for those who have waited for it, in this turn of the loop.
      freshMs = resolved.ok ? FRESH_MS : 0;
      known = resolved.ok ? resolved.addresses.map(targetOf) : { code: resolved.code };
      forgetAllBut(known);
      const all = waiting;
      waiting = [];
      for (const waiter of all) waiter.onTargets();
    },
  };
};
