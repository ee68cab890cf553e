import { BlockList } from 'node:net';
import { canonicalHost, ipFamily, isUnixSocket } from '../lib/address.ts';

/** RFC 1918, RFC 4193, and the link-local blocks of RFC 3927 and RFC 4291. */
const NAMED_BLOCKS: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', 'fc00::/7', 'fe80::/10'],
  any: ['0.0.0.0/0', '::/0'],
};

/**
 * Makes the function that says whether the allow list has a host. An IPv4-mapped IPv6 address counts as its IPv4 address.
 * `loopback` means this host: a connection from one of its own addresses can only come from here. A client of a unix
 * socket is always allowed: the permissions of the socket's file decide who can connect.
 */
export const createAllowList = (
  entries: readonly string[],
  localAddresses: () => readonly string[],
): ((host: string) => boolean) => {
  const blockList = new BlockList();
  for (const block of entries.flatMap((entry) => NAMED_BLOCKS[entry] ?? [entry])) {
    const [host = '', prefixLength] = block.split('/');
    const family = familyName(host);
    if (prefixLength === undefined) blockList.addAddress(host, family);
    else blockList.addSubnet(host, Number(prefixLength), family);
  }
  const isListed = memoize((client) => {
    const host = canonicalHost(client).replace(/%.*$/, '');
    return isUnixSocket({ host: client, port: 0 }) || blockList.check(host, familyName(host));
  });
  const hasLoopback = entries.includes('loopback');
  return (client) => isListed(client) || (hasLoopback && localAddresses().includes(client));
};

/** Caches by host: few hosts connect often, and one check of the list costs more than the rest of the admission. */
const memoize = (compute: (host: string) => boolean): ((host: string) => boolean) => {
  const cache = new Map<string, boolean>();
  return (host) => {
    const cached = cache.get(host);
    if (cached !== undefined) return cached;
    if (cache.size >= MAX_CACHED_HOSTS) cache.clear();
    const result = compute(host);
    cache.set(host, result);
    return result;
  };
};
const MAX_CACHED_HOSTS = 4_096;

const familyName = (host: string): 'ipv4' | 'ipv6' => (ipFamily(host) === 6 ? 'ipv6' : 'ipv4');
