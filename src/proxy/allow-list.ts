import { BlockList } from 'node:net';
import { canonicalHost, ipFamily, isUnix } from '../lib/address.ts';

/** RFC 1918, RFC 4193, and the link-local blocks of RFC 3927 and RFC 4291. */
const NAMED: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', 'fc00::/7', 'fe80::/10'],
  any: ['0.0.0.0/0', '::/0'],
};

/**
 * The allow list as a question; IPv4-mapped IPv6 addresses are looked up as the IPv4 ones they are.
 * `loopback` is this host: a connection from one of its own addresses can only come from here. Who may open a unix
 * socket's file may connect.
 */
export const createAllow = (
  entries: readonly string[],
  localAddresses: () => readonly string[],
): ((host: string) => boolean) => {
  const list = new BlockList();
  for (const block of entries.flatMap((entry) => NAMED[entry] ?? [entry])) {
    const [host = '', bits] = block.split('/');
    const family = familyName(host);
    if (bits === undefined) list.addAddress(host, family);
    else list.addSubnet(host, Number(bits), family);
  }
  const isListed = remember((client) => {
    const host = canonicalHost(client).replace(/%.*$/, '');
    return isUnix({ host: client, port: 0 }) || list.check(host, familyName(host));
  });
  const hasLoopback = entries.includes('loopback');
  return (client) => isListed(client) || (hasLoopback && localAddresses().includes(client));
};

/** Clients come from few hosts, often: a look into the list costs more than all else that is done to let one in. */
const remember = (ask: (host: string) => boolean): ((host: string) => boolean) => {
  const known = new Map<string, boolean>();
  return (host) => {
    const before = known.get(host);
    if (before !== undefined) return before;
    if (known.size >= MOST_REMEMBERED) known.clear();
    const answer = ask(host);
    known.set(host, answer);
    return answer;
  };
};
const MOST_REMEMBERED = 4_096;

const familyName = (host: string): 'ipv4' | 'ipv6' => (ipFamily(host) === 6 ? 'ipv6' : 'ipv4');
