import { connect as netConnect, type Socket } from 'node:net';
import { type Address, formatAddress, isUnixSocket, toNetOptions } from '../../lib/address.ts';
import type { Policy } from '../engine.ts';
import type { ConnectResult } from './dial.ts';
import { reset } from './reset.ts';
import { socketAddresses, trackOutgoingPair } from './socket-addresses.ts';

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
      // resetAndDestroy() would wait for the connection first.
      if (code !== undefined) socket.connecting ? socket.destroy() : reset(socket);
      done(code === undefined ? { ok: true, socket } : { ok: false, code });
    };
    const onAbort = (): void => settle('ECANCELED');
    const timer = setTimeout(() => settle('ETIMEDOUT'), connectTimeoutMs);
    signal.addEventListener('abort', onAbort);
    socket.on('error', (error: NodeJS.ErrnoException) => settle(error.code ?? 'EUNKNOWN'));
    socket.once('connect', () => {
      // A dead port of the ephemeral range can connect to itself.
      const [local, remote] = socketAddresses(socket).map(formatAddress);
      settle(local === remote && !isUnixSocket(address) ? 'ESELF' : undefined);
    });
    if (signal.aborted) onAbort();
  });

/** 30 s of silence, then probes: a vanished peer is found, and NAT entries stay. */
export const KEEPALIVE_DELAY_MS = 30_000;

/** One direction of one connection buffers at most about this much here. */
export const HIGH_WATER_MARK_BYTES = 65_536;
