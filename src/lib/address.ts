/**
 * A TCP address: `host` is an IP literal (IPv6 with its `%scope` where it has one) or a name. Or a unix socket: `host`
 * is its absolute path, and `port` 0.
 */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/**
 * What a proxy is told to listen on.
 * - `auto`: "6274"; see {@link bindAddresses}
 * - `external`: "external:6274", every non-loopback address
 * - `host`: "127.0.0.1:6274", "[::1]:6274", "localhost:6274", "unix:/run/app.sock", obeyed as written
 */
export type Listen =
  | { readonly kind: 'auto' | 'external'; readonly port: number }
  | { readonly kind: 'host'; readonly host: string; readonly port: number };

/** `localhost` is both of these, whatever the hosts file says (docs/decisions.md: loops). */
const LOCALHOST = ['127.0.0.1', '::1'] as const;
const WILDCARDS = ['0.0.0.0', '::'] as const;

/** Four numbers up to 255, without leading zeros, which inet_aton(3) takes for octal. */
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
const NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/i;
const ALL_NUMERIC = /^[\d.]+$/;

export const ipFamily = (host: string): 4 | 6 | 0 => {
  const bare = host.replace(/%.*$/, '');
  return IPV4.test(bare) ? 4 : isIpv6(bare) ? 6 : 0;
};

/** By the URL parser: patterns for it refuse some with an IPv4 tail, such as 64:ff9b::192.0.2.1 (RFC 6052). */
const isIpv6 = (text: string): boolean =>
  /^[\da-f:.]*:[\da-f:.]*$/i.test(text) && URL.canParse(`http://[${text}]`);

/** One spelling per IP address: "0:0::1" is "::1", "::ffff:10.0.0.1" is "10.0.0.1"; names in lower case. */
export const canonicalHost = (host: string): string => {
  if (ipFamily(host) !== 6) return host.toLowerCase();
  const [bare = '', scope] = host.split('%');
  const text = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(text);
  if (!mapped) return scope === undefined ? text : `${text}%${scope}`;
  const bits = [mapped[1], mapped[2]].map((half) => Number.parseInt(half ?? '0', 16));
  return bits.flatMap((half) => [half >> 8, half & 255]).join('.');
};

export const isUnix = ({ host }: Address): boolean => host.startsWith('/');

/** "[::1]:80", "127.0.0.1:80", "localhost:80", "unix:/run/app.sock". */
export const formatAddress = (address: Address): string => {
  const { host, port } = address;
  if (isUnix(address)) return `unix:${host}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
};

/** As `connect` and `listen` of node:net take it. */
export const endpoint = (address: Address): { path: string } | { host: string; port: number } =>
  isUnix(address) ? { path: address.host } : { host: address.host, port: address.port };

export const formatListen = (listen: Listen): string =>
  listen.kind === 'host'
    ? formatAddress(listen)
    : listen.kind === 'auto'
      ? `${listen.port}`
      : `external:${listen.port}`;

/** Undefined when `text` is none of the forms of {@link Listen}. */
export const parseListen = (text: string): Listen | undefined => {
  if (/^\d+$/.test(text)) {
    const port = parsePort(text);
    return port === undefined ? undefined : { kind: 'auto', port };
  }
  const address = parseAddress(text);
  if (!address) return undefined;
  if (address.host === 'external') return { kind: 'external', port: address.port };
  const bindable =
    address.host === 'localhost' ||
    ipFamily(address.host) !== 0 ||
    (isUnix(address) && SOCKET_NAME.test(address.host));
  return bindable ? { kind: 'host', ...address } : undefined;
};

/** The end of a path that can name a proxy; all digits would be a port's name. */
const SOCKET_NAME = /\/(?!\d+$)[\w.-]+$/;

/** What a listener is called: "6274", "app.sock" for unix:/run/app.sock. */
export const listenName = (listen: Listen): string =>
  listen.kind === 'host' && isUnix(listen)
    ? listen.host.slice(listen.host.lastIndexOf('/') + 1)
    : `${listen.port}`;

/** HOST:PORT, [IPv6]:PORT or unix:PATH; undefined when `text` is none of them. */
export const parseAddress = (text: string): Address | undefined => {
  if (text.startsWith('unix:')) return parseUnix(text.slice('unix:'.length));
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d+)$/.exec(text);
  const port = parsePort(match?.[3] ?? '');
  if (!match || port === undefined) return undefined;
  const host = parseHost(match[1] ?? match[2] ?? '');
  if (host === undefined || (match[1] !== undefined && ipFamily(host) !== 6 && !match[1].includes(':')))
    return undefined;
  return { host, port };
};

/** Linux: sun_path has 108 bytes with its final zero (unix(7)). */
export const SOCKET_PATH_BYTES = 107;

const parseUnix = (path: string): Address | undefined => {
  const fits = new TextEncoder().encode(path).length <= SOCKET_PATH_BYTES;
  const isPath = /^\/[^\0]+$/.test(path) && !/\/(\.{0,2})(\/|$)/.test(path);
  return fits && isPath ? { host: path, port: 0 } : undefined;
};

/** An IP address or a name in its canonical spelling; undefined when `text` is neither. */
export const parseHost = (text: string): string | undefined => {
  if (ipFamily(text) !== 0) return canonicalHost(text);
  return NAME.test(text) && !ALL_NUMERIC.test(text) ? text.toLowerCase() : undefined;
};

/** 1 to 65535; undefined otherwise. */
export const parsePort = (text: string): number | undefined => {
  const port = Number(text);
  return /^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535 ? port : undefined;
};

/** localhost, 127.0.0.0/8 and ::1 (RFC 1122 3.2.1.3, RFC 4291 2.5.3). */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (ipFamily(host) === 4 && host.startsWith('127.'));

/** The IP addresses `host` stands for without asking a name server; a name other than localhost is itself. */
export const literalHosts = (host: string): readonly string[] => (host === 'localhost' ? LOCALHOST : [host]);

/** True when the upstream is on this host's loopback with the port that the proxy is to listen on. */
export const sharesPort = (listen: Listen, upstream: Address): boolean =>
  listen.port === upstream.port && isLoopback(upstream.host);

/**
 * The addresses to bind; IPv6 ones are bound IPv6-only. `auto` binds each non-loopback address when the
 * upstream holds the same port on loopback (binding 0.0.0.0 would then be EADDRINUSE, or would take the
 * port away from the upstream's next start), and otherwise 0.0.0.0 and [::].
 * @param local this host's own addresses, IPv6 link-local ones with their scope
 */
export const bindAddresses = (
  listen: Listen,
  upstream: Address,
  local: readonly string[],
): readonly Address[] => {
  const hosts =
    listen.kind === 'host'
      ? literalHosts(listen.host)
      : listen.kind === 'external' || sharesPort(listen, upstream)
        ? local.filter((host) => !isLoopback(host))
        : WILDCARDS;
  return hosts.map((host) => ({ host, port: listen.port }));
};

/** Who connects to the unspecified address arrives at loopback (Linux; RFC 1122 3.2.1.3 forbids it as a target). */
const DIALLED: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/** True when a connection to `dialled` would arrive at a listener bound to `bound`. */
export const covers = (bound: Address, dialled: Address, local: readonly string[]): boolean => {
  const host = DIALLED[dialled.host] ?? dialled.host;
  if (bound.port !== dialled.port) return false;
  if (bound.host === host) return true;
  if (bound.host !== '0.0.0.0' && bound.host !== '::') return false;
  return ipFamily(bound.host) === ipFamily(host) && (isLoopback(host) || local.includes(host));
};

/** True when a connection to `dialled` would come back to one of the listeners (docs/decisions.md: loops). */
export const isCovered = (bound: readonly Address[], dialled: Address, local: readonly string[]): boolean =>
  bound.some((listener) => covers(listener, dialled, local));
