import {
  type Address,
  formatAddress,
  ipFamily,
  isLoopback,
  isUnix,
  literalHosts,
  parseAddress,
  parsePort,
} from './address.ts';

/**
 * What a proxy is told to listen on.
 * - `auto`: "6274"; see {@link bindAddresses}
 * - `external`: "external:6274", every non-loopback address
 * - `host`: "127.0.0.1:6274", "[::1]:6274", "localhost:6274", "unix:/run/app.sock", obeyed as written
 */
export type Listen =
  | { readonly kind: 'auto' | 'external'; readonly port: number }
  | { readonly kind: 'host'; readonly host: string; readonly port: number };

const WILDCARDS = ['0.0.0.0', '::'] as const;

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
