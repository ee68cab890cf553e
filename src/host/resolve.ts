import { lookup } from 'node:dns/promises';
import { type Address, canonicalHost, ipFamily, literalHosts } from '../core/address.ts';

export type Resolved =
  | { readonly ok: true; readonly addresses: readonly Address[] }
  | { readonly ok: false; readonly code: string };

/** All addresses in order; `localhost` is 127.0.0.1 and ::1 whatever the hosts file says (DESIGN 4.8). */
export const resolve = async ({ host, port }: Address): Promise<Resolved> => {
  const literal = literalHosts(host);
  if (literal.every((one) => ipFamily(one) !== 0))
    return { ok: true, addresses: literal.map((one) => ({ host: one, port })) };
  try {
    const found = await lookup(host, { all: true });
    return { ok: true, addresses: found.map(({ address }) => ({ host: canonicalHost(address), port })) };
  } catch (error) {
    return { ok: false, code: (error as NodeJS.ErrnoException).code ?? 'ENOTFOUND' };
  }
};
