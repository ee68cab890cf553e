import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address } from '../../lib/address.ts';
import { type Backoff, backoffMs } from '../../lib/backoff.ts';
import { readUnsentBytes } from '../../system/proc/tcp-queue.ts';
import type { Policy } from '../engine.ts';
import { socketAddresses } from './socket-addresses.ts';

/**
 * True when the end of the socket's data was a reset. libuv reports a reset that it finds together with the last data as an
 * end. The kernel then has no peer any more (getpeername(2): ENOTCONN). Node.js caches the peer's address, so the cache is
 * cleared to make it ask again. After this side's own FIN an orderly end has no peer either, and the two cannot be
 * distinguished (docs/decisions.md: ADR-0004).
 */
export const wasReset = (socket: Socket): boolean => {
  if (socket.writableEnded || isUnixSocket(socket)) return false;
  Object.assign(socket, { _peername: undefined });
  return socket.remoteAddress === undefined;
};

/** Resets the connection. A unix socket has no reset: its peer sees an end (docs/decisions.md: ADR-0003). */
export const reset = (socket: Socket): void => {
  if (isUnixSocket(socket)) socket.destroy();
  else socket.resetAndDestroy();
};

/** A TCP socket has its own address as long as it is open. */
const isUnixSocket = (socket: Socket): boolean => socket.localAddress === undefined;

/** A reset discards what the kernel has not sent yet. This is how long the reset waits for the kernel at most. */
const MAX_DELIVERY_MS = 500;

/** The pauses double because each check reads the system's whole table of connections, though outside the event loop. */
const DELIVERY_CHECKS: Backoff = { minMs: 10, maxMs: MAX_DELIVERY_MS };

/**
 * Resets `sink` because `source` was reset, once all that `source` had sent is on the wire. What is still in the streams
 * is written first, for as long as the reader goes on reading. Then the kernel gets up to MAX_DELIVERY_MS to send its
 * queue. Bytes that the peer's kernel has not taken by then are lost.
 */
export const resetAfterDelivery = (sink: Socket, source: Socket, { halfCloseTimeoutMs }: Policy): void => {
  source.unpipe(sink);
  sink.unpipe(source);
  const unread = source.read() as Buffer | null;
  const addresses = socketAddresses(sink);
  const onFlushed = async (): Promise<void> => {
    await waitForDelivery(sink, addresses);
    if (!sink.destroyed) reset(sink);
  };
  if (unread === null && sink.bytesWritten === 0) reset(sink);
  else if (!sink.writableEnded) sink.write(unread ?? '', () => void onFlushed());
  else if (sink.writableFinished) void onFlushed();
  else sink.once('finish', () => void onFlushed());
  sink.setTimeout(halfCloseTimeoutMs, () => reset(sink));
};

/** Settles when the kernel has sent what the socket has written, or after MAX_DELIVERY_MS. */
const waitForDelivery = async (
  socket: Socket,
  [local, remote]: readonly [Address, Address],
): Promise<void> => {
  const deadlineAt = performance.now() + MAX_DELIVERY_MS;
  for (let checks = 0; performance.now() < deadlineAt; checks += 1) {
    await sleep(backoffMs(DELIVERY_CHECKS, checks));
    if (socket.destroyed || isUnixSocket(socket) || !(await readUnsentBytes(local, remote))) return;
  }
};
