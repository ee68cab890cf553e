import { lookup } from 'node:dns/promises';
import { type Address, canonicalHost, expandLocalhost, ipFamily, isUnixSocket } from '../lib/address.ts';

export type ResolveResult =
  | { readonly ok: true; readonly addresses: readonly Address[] }
  | { readonly ok: false; readonly code: string };

/**
 * Resolves a host name to all its addresses, in the resolver's order. `localhost` is 127.0.0.1 and ::1, whatever the hosts
 * file says (docs/decisions.md: ADR-0001). A failure is the system's error code.
 * @param maxAgeMs the age up to which an earlier result is returned; 0 always asks the resolver. A failure is never kept
 */
export const resolveAddress = async (address: Address, maxAgeMs: number): Promise<ResolveResult> => {
  if (isUnixSocket(address)) return { ok: true, addresses: [address] };
  const { host, port } = address;
  const literals = expandLocalhost(host);
  if (literals.every((literal) => ipFamily(literal) !== 0)) return toResult(literals, port);
  const cached = cache.get(host);
  if (cached && performance.now() - cached.resolvedAt < maxAgeMs) return toResult(cached.hosts, port);
  try {
    const hosts = (await lookup(host, { all: true })).map(({ address }) => canonicalHost(address));
    cache.set(host, { hosts, resolvedAt: performance.now() });
    return toResult(hosts, port);
  } catch (error) {
    return { ok: false, code: (error as NodeJS.ErrnoException).code ?? 'ENOTFOUND' };
  }
};

const cache = new Map<string, { readonly hosts: readonly string[]; readonly resolvedAt: number }>();

const toResult = (hosts: readonly string[], port: number): ResolveResult => ({
  ok: true,
  addresses: hosts.map((host) => ({ host, port })),
});
