import { lookup } from 'node:dns/promises';
import { type Address, canonicalHost, ipFamily, isUnix, literalHosts } from '../lib/address.ts';

export type Resolved =
  | { readonly ok: true; readonly addresses: readonly Address[] }
  | { readonly ok: false; readonly code: string };

/** All addresses in order; `localhost` is 127.0.0.1 and ::1 whatever the hosts file says (docs/decisions.md: loops). */
export const resolve = async (address: Address): Promise<Resolved> => {
  if (isUnix(address)) return { ok: true, addresses: [address] };
  const { host, port } = address;
  const literal = literalHosts(host);
  if (literal.every((one) => ipFamily(one) !== 0)) return withPort(literal, port);
  const known = cache.get(host);
  if (known && performance.now() - known.atMs < CACHE_MS) return withPort(known.hosts, port);
  try {
    const hosts = (await lookup(host, { all: true })).map(({ address }) => canonicalHost(address));
    cache.set(host, { hosts, atMs: performance.now() });
    return withPort(hosts, port);
  } catch (error) {
    return { ok: false, code: (error as NodeJS.ErrnoException).code ?? 'ENOTFOUND' };
  }
};

/** A name is looked up again after so long; a failure is not kept. */
const CACHE_MS = 5_000;
const cache = new Map<string, { readonly hosts: readonly string[]; readonly atMs: number }>();

const withPort = (hosts: readonly string[], port: number): Resolved => ({
  ok: true,
  addresses: hosts.map((host) => ({ host, port })),
});
