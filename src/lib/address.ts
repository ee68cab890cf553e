/**
 * The room lib: small building blocks that know nothing about proxies, PM2 or the monitor, and import from no other
 * room. They use no node:* module, so that every room may use them.
 */

import { isPrintable } from './printable.ts';

/** A TCP address, or a unix socket. */
export interface Address {
  /** TCP: an IP literal (IPv6 with its `%scope` where it has one), or a name. Unix socket: its absolute path. */
  readonly host: string;
  /** TCP: 1 to 65535. Unix socket: 0. */
  readonly port: number;
}

/** The addresses of `localhost`, whatever the hosts file says (docs/decisions.md: ADR-0001). */
const LOCALHOST_ADDRESSES = ['127.0.0.1', '::1'] as const;
/** Four numbers up to 255. Leading zeros are refused, as inet_aton(3) reads such numbers as octal. */
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
const HOSTNAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/i;
const NUMERIC_ONLY = /^[\d.]+$/;

/** The IP version of an IP literal, with or without a scope; 0 for a name or a path. */
export const ipFamily = (host: string): 4 | 6 | 0 => {
  const hostWithoutScope = host.replace(/%.*$/, '');
  return IPV4.test(hostWithoutScope) ? 4 : isIpv6(hostWithoutScope) ? 6 : 0;
};

/**
 * Asks the URL parser, as the usual patterns refuse some addresses with an IPv4 tail: 64:ff9b::192.0.2.1 (RFC 6052).
 */
const isIpv6 = (text: string): boolean =>
  /^[\da-f:.]*:[\da-f:.]*$/i.test(text) && URL.canParse(`http://[${text}]`);

/**
 * Gives each IP address one spelling: "0:0::1" becomes "::1", "::ffff:10.0.0.1" becomes "10.0.0.1". Names become lower
 * case.
 */
export const canonicalHost = (host: string): string => {
  if (ipFamily(host) !== 6) return host.toLowerCase();
  const [hostWithoutScope = '', scope] = host.split('%');
  const canonical = new URL(`http://[${hostWithoutScope}]`).hostname.slice(1, -1);
  const mappedIpv4 = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(canonical);
  if (!mappedIpv4) return scope === undefined ? canonical : `${canonical}%${scope}`;
  const groups = [mappedIpv4[1], mappedIpv4[2]].map((group) => Number.parseInt(group ?? '0', 16));
  return groups.flatMap((group) => [group >> 8, group & 255]).join('.');
};

export const isUnixSocket = ({ host }: Address): boolean => host.startsWith('/');

/** The text that {@link parseAddress} reads: "[::1]:80", "127.0.0.1:80", "localhost:80", "unix:/run/app.sock". */
export const formatAddress = (address: Address): string => {
  const { host, port } = address;
  if (isUnixSocket(address)) return `unix:${host}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
};

/** The address as an option of `connect` and `listen` of node:net. */
export const toNetOptions = (address: Address): { path: string } | { host: string; port: number } =>
  isUnixSocket(address) ? { path: address.host } : { host: address.host, port: address.port };

/** Reads HOST:PORT, [IPv6]:PORT or unix:PATH; undefined when `text` is none of them. */
export const parseAddress = (text: string): Address | undefined => {
  if (text.startsWith('unix:')) return parseSocketPath(text.slice('unix:'.length));
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d+)$/.exec(text);
  const port = parsePort(match?.[3] ?? '');
  if (!match || port === undefined) return undefined;
  const host = parseHost(match[1] ?? match[2] ?? '');
  if (host === undefined || (match[1] !== undefined && ipFamily(host) !== 6 && !match[1].includes(':')))
    return undefined;
  return { host, port };
};

/** On Linux, sun_path has 108 bytes, the last of which is a zero (unix(7)). */
export const MAX_SOCKET_PATH_BYTES = 107;

const parseSocketPath = (path: string): Address | undefined => {
  const isShortEnough = new TextEncoder().encode(path).length <= MAX_SOCKET_PATH_BYTES;
  const isFilePath = /^\/./.test(path) && isPrintable(path) && !/\/(\.{0,2})(\/|$)/.test(path);
  return isShortEnough && isFilePath ? { host: path, port: 0 } : undefined;
};

/** Reads an IP address or a name, and gives its canonical spelling; undefined when `text` is neither. */
export const parseHost = (text: string): string | undefined => {
  if (ipFamily(text) !== 0) return canonicalHost(text);
  return HOSTNAME.test(text) && !NUMERIC_ONLY.test(text) ? text.toLowerCase() : undefined;
};

/** Reads a port, 1 to 65535 in plain digits; undefined when `text` is none. */
export const parsePort = (text: string): number | undefined => {
  const port = Number(text);
  return /^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535 ? port : undefined;
};

/** True for localhost, 127.0.0.0/8 and ::1 (RFC 1122 3.2.1.3, RFC 4291 2.5.3). */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (ipFamily(host) === 4 && host.startsWith('127.'));

/** Replaces localhost by its two addresses. Any other host stays as it is: no name server is asked. */
export const expandLocalhost = (host: string): readonly string[] =>
  host === 'localhost' ? LOCALHOST_ADDRESSES : [host];
