import type { Socket } from 'node:net';
import type { Address } from '../../lib/address.ts';
import { readUnsentBytes } from '../../system/proc/tcp-queue.ts';
import type { Side } from '../connection/lifecycle.ts';

/** Keepalive probes begin after this silence: they find a peer that has vanished, and keep NAT entries alive. */
export const KEEPALIVE_DELAY_MS = 30_000;

/**
 * The options of every socket. With a highWaterMark of 0 a stream stops reading after each chunk, and reads the next one when
 * it is asked to: at most one chunk of a direction is in this process.
 */
export const SOCKET_OPTIONS = { allowHalfOpen: true, noDelay: true, highWaterMark: 0 } as const;

/** The size of libuv's buffer for a read (uv__read). */
const CHUNK_BYTES = 65_536;

/** A client that waits is read up to about this size: further bytes stay in the kernel, and hide its FIN and its reset. */
const MAX_EARLY_BYTES = 65_536;

/** One side of a connection on node:net. */
export class SocketSide implements Side {
  isForwardingDone = false;
  isReset = false;
  movedBytes = 0;
  /** The FIN has arrived, and all bytes before it are read. */
  hasEnded = false;
  /** A chunk from this side is being written to the other one. */
  isWriting = false;
  readonly socket: Socket;
  readonly isUnix: boolean;
  readonly #earlyChunks: Buffer[] = [];
  #earlyBytes = 0;
  #isAsking = false;
  /** The last chunk was smaller than libuv's buffer, so the socket was emptied. */
  #isPartial = false;
  readonly #local: Address;
  readonly #remote: Address;

  constructor(socket: Socket, local: Address | undefined, remote: Address) {
    this.socket = socket;
    this.isUnix = local === undefined;
    this.#local = local ?? remote;
    this.#remote = remote;
  }

  get hasUnread(): boolean {
    return this.#earlyChunks.length > 0 || this.socket.readableLength > 0;
  }

  /** Takes the chunk that was read; null when there is none. */
  take(): Buffer | null {
    const early = this.#earlyChunks.shift();
    if (early) return early;
    if (this.socket.readableLength === 0) return null;
    const chunk = this.socket.read() as Buffer;
    this.#isPartial = chunk.length < CHUNK_BYTES;
    return chunk;
  }

  /** Reads the next chunk: after a partial one in a later turn ({@link readAll}). */
  ask(): void {
    if (this.#isAsking) return;
    if (!this.#isPartial) return this.read();
    this.#isAsking = true;
    if (asking.push(this) === 1) setImmediate(readAll);
  }

  /** Reads the next chunk in this turn. */
  read(): void {
    this.#isAsking = false;
    this.#isPartial = false;
    this.socket.read(0);
  }

  /** Reads what the client sends while it waits, to notice that it leaves. */
  readAhead(): void {
    const chunk = this.take();
    if (chunk !== null) {
      this.#earlyChunks.push(chunk);
      this.#earlyBytes += chunk.length;
    }
    if (this.#earlyBytes < MAX_EARLY_BYTES) this.ask();
  }

  /** True when the kernel has sent all that was written; a unix socket keeps it for its peer. */
  async isFlushed(): Promise<boolean> {
    return this.isUnix || !(await readUnsentBytes(this.#local, this.#remote));
  }

  /**
   * Closes the socket with a reset; a unix socket has none, its peer sees an end (docs/decisions.md: ADR-0003). libuv refuses
   * to reset a socket whose FIN it has not sent yet, and Node.js then leaks it (uv_tcp_close_reset: EINVAL).
   */
  reset(): void {
    const { socket } = this;
    if (this.isUnix) socket.destroy();
    else if (socket.writableEnded && !socket.writableFinished)
      socket.once('finish', () => socket.resetAndDestroy());
    else socket.resetAndDestroy();
  }
}

/**
 * The sides that have asked for their next chunk after a partial one. It is read in a later turn: libuv, which has
 * polled data and a reset together, takes the reset for an end if the stream is reading again by then (`uv__stream_io`:
 * POLLHUP after a partial read).
 */
let asking: SocketSide[] = [];

const readAll = (): void => {
  const sides = asking;
  asking = [];
  for (const side of sides) side.read();
};
