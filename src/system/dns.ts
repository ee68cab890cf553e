import { lookup } from 'node:dns/promises';
import { type Address, canonicalHost, expandLocalhost, ipFamily, isUnixSocket } from '../lib/address.ts';

export type ResolveResult =
  | { readonly ok: true; readonly addresses: readonly Address[] }
  | { readonly ok: false; readonly code: string };

/**
 * Resolves a host name to all its addresses, in the resolver's order. `localhost` is 127.0.0.1 and ::1, whatever the hosts
 * file says (docs/decisions.md: ADR-0001). A failure is the system's error code.
 */
export const resolveAddress = async (address: Address): Promise<ResolveResult> => {
  if (isUnixSocket(address)) return { ok: true, addresses: [address] };
  const { host, port } = address;
  const literals = expandLocalhost(host);
  if (literals.every((literal) => ipFamily(literal) !== 0)) return toResult(literals, port);
  const cached = cache.get(host);
  if (cached && performance.now() - cached.resolvedAt < CACHE_MS) return toResult(cached.hosts, port);
  try {
    const hosts = (await lookup(host, { all: true })).map(({ address }) => canonicalHost(address));
    cache.set(host, { hosts, resolvedAt: performance.now() });
    return toResult(hosts, port);
  } catch (error) {
    return { ok: false, code: (error as NodeJS.ErrnoException).code ?? 'ENOTFOUND' };
  }
};

/** The time for which the addresses of a name are cached; a failure is not cached. */
const CACHE_MS = 5_000;
const cache = new Map<string, { readonly hosts: readonly string[]; readonly resolvedAt: number }>();

const toResult = (hosts: readonly string[], port: number): ResolveResult => ({
  ok: true,
  addresses: hosts.map((host) => ({ host, port })),
});
