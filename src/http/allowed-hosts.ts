import { ipFamily, parseHost } from '../lib/address.ts';

/**
 * True when a request with this Host header cannot come from a page that a browser loaded from elsewhere. Such a page reaches
 * this machine by a name of its own that resolves to it (DNS rebinding), so a name must be known. An IP address is no name.
 * @param header the Host header, with or without a port
 * @param names the names that are allowed, besides localhost and the names below it (RFC 6761 6.3)
 */
export const isAllowedHost = (header: string, names: readonly string[]): boolean => {
  const host = hostOf(header);
  if (host === undefined) return false;
  if (ipFamily(host) !== 0) return true;
  return /^(.+\.)?localhost$/.test(host) || names.some((name) => normalize(name) === host);
};

/** The host of the header, in one spelling; undefined when the header is no host. */
const hostOf = (header: string): string | undefined => {
  const [, ipv6, name] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::\d*)?$/.exec(header) ?? [];
  if (ipv6 !== undefined) return ipFamily(ipv6) === 6 ? ipv6 : undefined;
  const host = parseHost(name ?? '');
  return host === undefined ? undefined : normalize(host);
};

/** Without the dot of a fully qualified name. */
const normalize = (name: string): string => name.toLowerCase().replace(/\.$/, '');
