import { connect as netConnect, type Socket } from 'node:net';
import { type Address, formatAddress, isUnixSocket, toNetOptions } from '../../lib/address.ts';
import type { Policy } from '../engine.ts';
import type { ConnectResult } from './dial.ts';
import { reset } from './reset.ts';
import { socketAddresses, trackOutgoingPair } from './socket-addresses.ts';

/**
 * Connects to one address. A failure is the system's error code, or ETIMEDOUT after `connectTimeoutMs`, ECANCELED by the
 * signal, or ESELF when the socket has connected to itself.
 * @param outgoing see {@link trackOutgoingPair}
 */
export const connectTo = (
  address: Address,
  { connectTimeoutMs }: Policy,
  outgoing: Set<string>,
  signal: AbortSignal,
): Promise<ConnectResult<Socket>> =>
  new Promise((done) => {
    const options = { ...toNetOptions(address), allowHalfOpen: true, highWaterMark: HIGH_WATER_MARK_BYTES };
    const socket = netConnect({
      ...options,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_DELAY_MS,
    });
    trackOutgoingPair(socket, address, outgoing);
    let isSettled = false;
    const settle = (code?: string): void => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      if (code !== undefined) discard(socket);
      done(code === undefined ? { ok: true, socket } : { ok: false, code });
    };
    const onAbort = (): void => settle('ECANCELED');
    const timer = setTimeout(() => settle('ETIMEDOUT'), connectTimeoutMs);
    signal.addEventListener('abort', onAbort);
    socket.on('error', (error: NodeJS.ErrnoException) => settle(error.code ?? 'EUNKNOWN'));
    socket.once('connect', () => {
      // A connect to a port of the ephemeral range that nobody listens on can get that very port, and reach itself.
      const [local, remote] = socketAddresses(socket).map(formatAddress);
      settle(local === remote && !isUnixSocket(address) ? 'ESELF' : undefined);
    });
    if (signal.aborted) onAbort();
  });

/** A socket that still connects is destroyed: resetAndDestroy() would wait for the connection first. */
const discard = (socket: Socket): void => {
  if (socket.connecting) socket.destroy();
  else reset(socket);
};

/** Keepalive probes begin after this silence: they find a peer that has vanished, and keep NAT entries alive. */
export const KEEPALIVE_DELAY_MS = 30_000;

/** About how much one direction of one connection buffers in this process at most. */
export const HIGH_WATER_MARK_BYTES = 65_536;
