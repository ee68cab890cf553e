import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { readUnsentBytes } from '../../system/proc/tcp-queue.ts';
import type { Policy } from '../engine.ts';
import { socketAddresses } from './socket-addresses.ts';

/**
 * libuv reports a reset that it finds together with the last data as an end. The kernel then has no peer any more
 * (getpeername(2): ENOTCONN); Node keeps the peer's address, so it is made to ask again. After this side's own FIN
 * an orderly end has no peer either, and the two cannot be told apart (docs/decisions.md: a reset is not an end).
 */
export const wasReset = (socket: Socket): boolean => {
  if (socket.writableEnded || isUnixSocket(socket)) return false;
  Object.assign(socket, { _peername: undefined });
  return socket.remoteAddress === undefined;
};

/** A unix socket has no reset: its peer sees an end (docs/decisions.md: unix sockets). */
export const reset = (socket: Socket): void => {
  if (isUnixSocket(socket)) socket.destroy();
  else socket.resetAndDestroy();
};

/** A TCP socket has its own address as long as it is open. */
const isUnixSocket = (socket: Socket): boolean => socket.localAddress === undefined;

/** A reset overtakes what the kernel has not sent yet: wait for that, but not for long. */
const MAX_DELIVERY_MS = 500;

/** The pause doubles from here: a look reads the system's whole table of connections, if outside the event loop. */
const FIRST_DELIVERY_CHECK_MS = 10;

/**
 * Resets `sink` because `source` was reset, once all that `source` had sent is on the wire: what is still in
 * the streams is written first (for as long as the reader goes on reading), then the kernel gets up to 500 ms to
 * send its queue. What may be lost: bytes that the peer's kernel has not taken by then.
 */
export const resetAfterDelivery = (sink: Socket, source: Socket, { halfCloseTimeoutMs }: Policy): void => {
  source.unpipe(sink);
  sink.unpipe(source);
  const unread = source.read() as Buffer | null;
  const [local, remote] = socketAddresses(sink);
  const onFlushed = async (): Promise<void> => {
    const deadlineAt = performance.now() + MAX_DELIVERY_MS;
    for (let pauseMs = FIRST_DELIVERY_CHECK_MS; performance.now() < deadlineAt; pauseMs *= 2) {
      await sleep(pauseMs);
      if (sink.destroyed || isUnixSocket(sink) || !(await readUnsentBytes(local, remote))) break;
    }
    if (!sink.destroyed) reset(sink);
  };
  if (unread === null && sink.bytesWritten === 0) reset(sink);
  else if (!sink.writableEnded) sink.write(unread ?? '', () => void onFlushed());
  else if (sink.writableFinished) void onFlushed();
  else sink.once('finish', () => void onFlushed());
  sink.setTimeout(halfCloseTimeoutMs, () => reset(sink));
};
