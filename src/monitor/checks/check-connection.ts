import { type Address, formatAddress, ipFamily, isLoopback } from '../../lib/address.ts';
import { localAddresses } from '../../system/proc/network-interfaces.ts';
import { type ProbeResult, runExchange } from '../probes/exchange/exchange.ts';

/**
 * A port for a check to announce and to connect from, outside the range that Linux hands out by itself (ip(7): 32768 to
 * 60999). It may be taken; {@link isOwnFailure} is then true.
 */
export const pickCheckPort = (): number => 20_000 + Math.floor(Math.random() * 12_000);

/** True when the check could not even be tried. The result proves nothing about the proxy or its upstream. */
export const isOwnFailure = (result: ProbeResult): boolean => !result.ok && result.phase === 'untried';

/** Connects and waits until the proxy closes the connection: only a process that accepts does that. */
export const probeAccept = (address: Address, localPort: number, timeoutMs: number): Promise<ProbeResult> =>
  runExchange({ address, timeoutMs, localPort, name: formatAddress(address) }, (socket, settle) => {
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
