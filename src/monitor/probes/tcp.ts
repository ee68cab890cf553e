import { existsSync } from 'node:fs';
import type { Probe } from '../../config/schema.ts';
import {
  type Address,
  formatAddress,
  ipFamily,
  isLoopback,
  isUnix,
  literalHosts,
} from '../../lib/address.ts';
import { isCovered } from '../../lib/listen-spec.ts';
import { resolve } from '../../system/dns.ts';
import { localAddresses } from '../../system/proc/network-interfaces.ts';
import { type Listener, listenersOn } from '../../system/proc/socket-table.ts';
import { converse, elapsed, type ProbeResult } from './exchange.ts';
import { asksApplication, probeApplication } from './http.ts';

/**
 * A port for a check to announce and to connect from: outside the range that Linux hands out by itself (ip(7): 32768
 * to 60999). It may be taken; the check then says so.
 */
export const checkPort = (): number => 20_000 + Math.floor(Math.random() * 12_000);

/** Connects, and waits until the other end closes: only a process that accepts does that. */
export const probeAccept = (address: Address, localPort: number, timeoutMs: number): Promise<ProbeResult> =>
  converse({ address, timeoutMs, localPort, name: formatAddress(address) }, (socket, settle) => {
    socket.on('end', () => {
      socket.resetAndDestroy();
      settle();
    });
    socket.resume();
    return () => 'accepted nothing';
  });

/** Connects and closes: no byte is sent, and no reset, which PostgreSQL logs and which ends a careless server. */
const probeTcp = (address: Address, timeoutMs: number): Promise<ProbeResult> =>
  converse({ address, timeoutMs, name: formatAddress(address) }, (_, settle) => {
    settle();
    return () => undefined;
  });

/**
 * The upstream itself, without the proxy: any of its addresses that is not one of the proxy's own listeners.
 * @param bound the proxy's own listeners; a check of them would ask the proxy about itself
 */
export const probeUpstream = async (
  upstream: Address,
  probe: Probe,
  bound: readonly Address[],
  timeoutMs: number,
): Promise<ProbeResult> => {
  const startedAt = performance.now();
  const resolved = await resolve(upstream);
  const addresses = resolved.ok
    ? resolved.addresses.filter((address) => !isCovered(bound, address, localAddresses()))
    : [];
  const error = resolved.ok
    ? `every address of ${upstream.host} is the proxy itself`
    : `the name ${upstream.host} cannot be resolved (${resolved.code})`;
  let failure: Exclude<ProbeResult, { ok: true }> = { ok: false, phase: 'connect', error, durationMs: 0 };
  for (const address of addresses) {
    const result = asksApplication(probe)
      ? await probeApplication(address, upstream, probe, timeoutMs)
      : await probeTcp(address, timeoutMs);
    if (result.ok) return result;
    // An application that has one of the addresses and answers badly is the cause; that it has not the other is not.
    if (result.phase === 'answer' || failure.phase === 'connect') failure = result;
  }
  return { ...failure, durationMs: elapsed(startedAt) };
};

/** The check's own port was not free after all: that says nothing of the proxy. */
export const isPortTaken = (result: ProbeResult): boolean =>
  !result.ok && result.phase === 'connect' && /EADDRINUSE|EADDRNOTAVAIL/.test(result.error);

/** Where to connect for a bound address: a wildcard stands for what is reachable from elsewhere, if anything is. */
export const reachable = ({ host, port }: Address): Address => {
  if (host !== '0.0.0.0' && host !== '::') return { host, port };
  const outside = localAddresses().find((local) => !isLoopback(local) && ipFamily(local) === ipFamily(host));
  return { host: outside ?? (host === '::' ? '::1' : '127.0.0.1'), port };
};

/** Proxies that are looked at together share one reading of the table. */
export const SHARED_TABLE_MS = 100;

/**
 * Whether something other than the proxy listens on the upstream's port, without touching it. Undefined when
 * the upstream is not on this host's loopback, or where there is no /proc. A socket file that is there tells
 * nothing: its owner may be dead.
 */
export const upstreamListens = (upstream: Address, bound: readonly Address[]): boolean | undefined => {
  if (isUnix(upstream)) return existsSync(upstream.host) ? undefined : false;
  if (!isLoopback(upstream.host)) return undefined;
  const wanted = literalHosts(upstream.host).map((host) => ({ host, port: upstream.port }));
  const isIt = (listener: Listener): boolean =>
    !bound.some((own) => own.host === listener.host && own.port === listener.port) &&
    wanted.some((address) => isCovered([listener], address, []) || listener.host === '::');
  const sinceMs = performance.now() - SHARED_TABLE_MS;
  // Mostly it is in the first one, and the kernel walks all of the other: it is read only when it is needed.
  const isIn = (family: 4 | 6): boolean | undefined =>
    listenersOn(upstream.port, sinceMs, family)?.some(isIt);
  return isIn(4) || isIn(6);
};
