import { connect as netConnect, type Socket } from 'node:net';
import { type Address, endpoint, formatAddress, isUnix } from '../../lib/address.ts';
import type { Policy } from '../engine.ts';
import type { Connected } from './dial.ts';
import { reset } from './reset.ts';
import { endsOf, rememberEnds } from './socket-addresses.ts';

export const connectTo = (
  address: Address,
  { connectTimeoutMs }: Policy,
  outgoing: Set<string>,
  signal: AbortSignal,
): Promise<Connected<Socket>> =>
  new Promise((done) => {
    const options = { ...endpoint(address), allowHalfOpen: true, highWaterMark: HIGH_WATER_BYTES };
    const socket = netConnect({
      ...options,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_MS,
    });
    rememberEnds(socket, address, outgoing);
    let settled = false;
    const settle = (code?: string): void => {
      if (settled) return;
      settled = true;
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
      const [local, remote] = endsOf(socket).map(formatAddress);
      settle(local === remote && !isUnix(address) ? 'ESELF' : undefined);
    });
    if (signal.aborted) onAbort();
  });

/** 30 s of silence, then probes: a vanished peer is found, and NAT entries stay. */
export const KEEPALIVE_MS = 30_000;

/** One direction of one connection buffers at most about this much here. */
export const HIGH_WATER_BYTES = 65_536;
