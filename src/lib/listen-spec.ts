import {
  type Address,
  expandLocalhost,
  formatAddress,
  ipFamily,
  isLoopback,
  isUnixSocket,
  parseAddress,
  parsePort,
} from './address.ts';

/**
 * The `listen` of a proxy in the config.
 * - `auto`: "6274"; {@link bindAddresses} chooses the addresses
 * - `external`: "external:6274", every address of this host that is not a loopback address
 * - `host`: "127.0.0.1:6274", "[::1]:6274", "localhost:6274" or "unix:/run/app.sock", exactly that address
 */
export type ListenSpec =
  | { readonly kind: 'auto' | 'external'; readonly port: number }
  | { readonly kind: 'host'; readonly host: string; readonly port: number };

const WILDCARD_HOSTS = ['0.0.0.0', '::'] as const;

/** The text that {@link parseListenSpec} reads. */
export const formatListenSpec = (spec: ListenSpec): string =>
  spec.kind === 'host'
    ? formatAddress(spec)
    : spec.kind === 'auto'
      ? `${spec.port}`
      : `external:${spec.port}`;

/** Reads one of the forms of {@link ListenSpec}; undefined when `text` is none of them. */
export const parseListenSpec = (text: string): ListenSpec | undefined => {
  if (/^\d+$/.test(text)) {
    const port = parsePort(text);
    return port === undefined ? undefined : { kind: 'auto', port };
  }
  const address = parseAddress(text);
  if (!address) return undefined;
  if (address.host === 'external') return { kind: 'external', port: address.port };
  const isBindable =
    address.host === 'localhost' ||
    ipFamily(address.host) !== 0 ||
    (isUnixSocket(address) && SOCKET_FILE_NAME.test(address.host));
  return isBindable ? { kind: 'host', ...address } : undefined;
};

/**
 * The end of a path whose file name can be the proxy's name. Digits alone are refused: they name a proxy by its port.
 */
const SOCKET_FILE_NAME = /\/(?!\d+$)[\w.-]+$/;

/** The name of a listener: its port, "6274", or the file name of its socket, "app.sock" for unix:/run/app.sock. */
export const listenerName = (spec: ListenSpec): string =>
  spec.kind === 'host' && isUnixSocket(spec)
    ? spec.host.slice(spec.host.lastIndexOf('/') + 1)
    : `${spec.port}`;

/** True when the upstream has a loopback address and the port that the proxy listens on. */
export const sharesPort = (spec: ListenSpec, upstream: Address): boolean =>
  spec.port === upstream.port && isLoopback(upstream.host);

/**
 * The addresses to bind; IPv6 ones are bound IPv6-only. `auto` stands for 0.0.0.0 and [::], unless the upstream has the
 * same port on loopback. Then it stands for each non-loopback address: binding 0.0.0.0 would fail with EADDRINUSE, or
 * would take the port away from the upstream when it starts the next time.
 * @param localAddresses this host's own addresses, IPv6 link-local ones with their scope
 */
export const bindAddresses = (
  spec: ListenSpec,
  upstream: Address,
  localAddresses: readonly string[],
): readonly Address[] => {
  const hosts =
    spec.kind === 'host'
      ? expandLocalhost(spec.host)
      : spec.kind === 'external' || sharesPort(spec, upstream)
        ? localAddresses.filter((host) => !isLoopback(host))
        : WILDCARD_HOSTS;
  return hosts.map((host) => ({ host, port: spec.port }));
};

/** A connection to the unspecified address arrives at loopback (on Linux; RFC 1122 3.2.1.3 forbids it as a target). */
const LOOPBACK_OF_WILDCARD: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/**
 * True when a connection to `target` would arrive at a listener bound to `bound`.
 * @param localAddresses this host's own addresses; a wildcard listener covers them and loopback
 */
export const covers = (bound: Address, target: Address, localAddresses: readonly string[]): boolean => {
  const host = LOOPBACK_OF_WILDCARD[target.host] ?? target.host;
  if (bound.port !== target.port) return false;
  if (bound.host === host) return true;
  if (bound.host !== '0.0.0.0' && bound.host !== '::') return false;
  return ipFamily(bound.host) === ipFamily(host) && (isLoopback(host) || localAddresses.includes(host));
};

/** True when a connection to `target` would arrive at one of the listeners (docs/decisions.md: ADR-0001). */
export const isCovered = (
  listeners: readonly Address[],
  target: Address,
  localAddresses: readonly string[],
): boolean => listeners.some((listener) => covers(listener, target, localAddresses));
