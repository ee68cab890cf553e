import { existsSync } from 'node:fs';
import type { Probe } from '../../config/schema.ts';
import {
  type Address,
  expandLocalhost,
  formatAddress,
  ipFamily,
  isLoopback,
  isUnixSocket,
} from '../../lib/address.ts';
import { isCovered } from '../../lib/listen-spec.ts';
import { resolveAddress } from '../../system/dns.ts';
import { localAddresses } from '../../system/proc/network-interfaces.ts';
import { findListeners, type Listener } from '../../system/proc/socket-table.ts';
import { elapsed, type ProbeResult, runExchange } from './exchange.ts';
import { isApplicationProbe, probeApplication } from './http.ts';

/**
 * A port for a check to announce and to connect from: outside the range that Linux hands out by itself (ip(7): 32768
 * to 60999). It may be taken; the check then says so.
 */
export const pickCheckPort = (): number => 20_000 + Math.floor(Math.random() * 12_000);

/** Connects, and waits until the other end closes: only a process that accepts does that. */
export const probeAccept = (address: Address, localPort: number, timeoutMs: number): Promise<ProbeResult> =>
  runExchange({ address, timeoutMs, localPort, name: formatAddress(address) }, (socket, settle) => {
    socket.on('end', () => {
      socket.resetAndDestroy();
      settle();
    });
    socket.resume();
    return () => 'accepted nothing';
  });

/** Connects and closes: no byte is sent, and no reset, which PostgreSQL logs and which ends a careless server. */
const probeTcp = (address: Address, timeoutMs: number): Promise<ProbeResult> =>
  runExchange({ address, timeoutMs, name: formatAddress(address) }, (_, settle) => {
    settle();
    return () => undefined;
  });

/**
 * The upstream itself, without the proxy: any of its addresses that is not one of the proxy's own listeners.
 * @param boundAddresses the proxy's own listeners; a check of them would ask the proxy about itself
 */
export const probeUpstream = async (
  upstream: Address,
  probe: Probe,
  boundAddresses: readonly Address[],
  timeoutMs: number,
): Promise<ProbeResult> => {
  const startedAt = performance.now();
  const resolved = await resolveAddress(upstream);
  const addresses = resolved.ok
    ? resolved.addresses.filter((address) => !isCovered(boundAddresses, address, localAddresses()))
    : [];
  const error = resolved.ok
    ? `every address of ${upstream.host} is the proxy itself`
    : `the name ${upstream.host} cannot be resolved (${resolved.code})`;
  let failure: Exclude<ProbeResult, { ok: true }> = { ok: false, phase: 'connect', error, durationMs: 0 };
  for (const address of addresses) {
    const result = isApplicationProbe(probe)
      ? await probeApplication(address, upstream, probe, timeoutMs)
      : await probeTcp(address, timeoutMs);
    if (result.ok) return result;
    // An application that has one of the addresses and answers badly is the cause; that it has not the other is not.
    if (result.phase === 'answer' || failure.phase === 'connect') failure = result;
  }
  return { ...failure, durationMs: elapsed(startedAt) };
};

/** The check's own port was not free after all: that says nothing of the proxy. */
export const isCheckPortTaken = (result: ProbeResult): boolean =>
  !result.ok && result.phase === 'connect' && /EADDRINUSE|EADDRNOTAVAIL/.test(result.error);

/** Where to connect for a bound address: a wildcard stands for what is reachable from elsewhere, if anything is. */
export const reachableAddress = ({ host, port }: Address): Address => {
  if (host !== '0.0.0.0' && host !== '::') return { host, port };
  const externalHost = localAddresses().find(
    (localHost) => !isLoopback(localHost) && ipFamily(localHost) === ipFamily(host),
  );
  return { host: externalHost ?? (host === '::' ? '::1' : '127.0.0.1'), port };
};

/** Proxies that are looked at together share one reading of the table. */
export const SHARED_TABLE_MS = 100;

/**
 * Whether something other than the proxy listens on the upstream's port, without touching it. Undefined when
 * the upstream is not on this host's loopback, or where there is no /proc. A socket file that is there tells
 * nothing: its owner may be dead.
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
  // Mostly it is in the first one, and the kernel walks all of the other: it is read only when it is needed.
  const isListeningOn = (family: 4 | 6): boolean | undefined =>
    findListeners(upstream.port, since, family)?.some(isUpstreamListener);
  return isListeningOn(4) || isListeningOn(6);
};
