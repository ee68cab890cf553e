import type { Socket } from 'node:net';
import { type Address, formatAddress, ipFamily, isLoopback } from '../../lib/address.ts';
import { localAddresses } from '../../system/proc/network-interfaces.ts';
import { type ProbeResult, runExchange } from '../probes/exchange/exchange.ts';

/** True when the check could not even be tried. The result proves nothing about the proxy or its upstream. */
export const isOwnFailure = (result: ProbeResult): boolean => !result.ok && result.phase === 'untried';

/** Connects and waits until the proxy closes the connection: only a process that accepts does that. */
export const probeAccept = (
  address: Address,
  timeoutMs: number,
  openSocket?: () => Socket,
): Promise<ProbeResult> =>
  runExchange({ address, timeoutMs, openSocket, name: formatAddress(address) }, (socket, settle) => {
    socket.on('end', () => {
      socket.resetAndDestroy();
      settle();
    });
    socket.resume();
    return () => 'accepted nothing';
  });

/** Connects and waits until the kernel has no connection left that the process has not accepted. */
export const probeBacklog = (
  address: Address,
  hasBacklog: () => boolean,
  timeoutMs: number,
): Promise<ProbeResult> =>
  runExchange({ address, timeoutMs, name: formatAddress(address) }, (socket, settle) => {
    const timer = setInterval(() => {
      if (!hasBacklog()) settle();
    }, BACKLOG_INTERVAL_MS);
    socket.once('close', () => clearInterval(timer)).resume();
    return () => 'accepted nothing';
  });

const BACKLOG_INTERVAL_MS = 10;

/** The address to connect to for a bound one. For a wildcard: an address that other machines reach, if there is one. */
export const reachableAddress = ({ host, port }: Address): Address => {
  if (host !== '0.0.0.0' && host !== '::') return { host, port };
  const externalHost = localAddresses().find(
    (localHost) => !isLoopback(localHost) && ipFamily(localHost) === ipFamily(host),
  );
  return { host: externalHost ?? (host === '::' ? '::1' : '127.0.0.1'), port };
};
