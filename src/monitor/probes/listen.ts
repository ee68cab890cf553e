import { existsSync } from 'node:fs';
import { type Address, expandLocalhost, isLoopback, isUnixSocket } from '../../lib/address.ts';
import { isCovered } from '../../lib/listen-spec.ts';
import { findListeners, type Listener } from '../../system/proc/socket-table.ts';

/** The maximum age of a read socket table: proxies that are checked together share one. */
export const SHARED_TABLE_MS = 100;

/**
 * True when something other than the proxy listens on the upstream's port, without touching it. Undefined when the
 * upstream is not on this host's loopback, or where there is no /proc. The file of a unix socket proves nothing while it
 * exists: its owner may be dead.
 * @param boundAddresses the proxy's own listeners
 */
export const isUpstreamListening = (
  upstream: Address,
  boundAddresses: readonly Address[],
): boolean | undefined => {
  if (isUnixSocket(upstream)) return existsSync(upstream.host) ? undefined : false;
  if (!isLoopback(upstream.host)) return undefined;
  const upstreamAddresses = expandLocalhost(upstream.host).map((host) => ({ host, port: upstream.port }));
  const isUpstreamListener = (listener: Listener): boolean =>
    !boundAddresses.some(
      (boundAddress) => boundAddress.host === listener.host && boundAddress.port === listener.port,
    ) && upstreamAddresses.some((address) => isCovered([listener], address, []) || listener.host === '::');
  const since = performance.now() - SHARED_TABLE_MS;
  // The kernel walks the whole table of a family, and most listeners are in IPv4's: IPv6's is read only when needed.
  const isListeningOn = (family: 4 | 6): boolean | undefined =>
    findListeners(upstream.port, since, family)?.some(isUpstreamListener);
  const onIPv4 = isListeningOn(4);
  if (onIPv4) return true;
  const onIPv6 = isListeningOn(6);
  return onIPv4 === undefined && !onIPv6 ? undefined : onIPv6;
};
