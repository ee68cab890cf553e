import type { Socket } from 'node:net';
import type { Address } from '../../lib/address.ts';
import { readUnsentBytes } from '../../system/proc/tcp-queue.ts';
import type { Side } from '../connection/lifecycle.ts';

/** Keepalive probes begin after this silence: they find a peer that has vanished, and keep NAT entries alive. */
export const KEEPALIVE_DELAY_MS = 30_000;

/**
 * The options of every socket. With a highWaterMark of 0 a stream stops reading after each chunk, and reads the next one when
 * it is asked to: at most one chunk of a direction is in this process, 65,536 bytes (uv__read of libuv).
 */
export const SOCKET_OPTIONS = { allowHalfOpen: true, noDelay: true, highWaterMark: 0 } as const;

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
    return this.#earlyChunks.shift() ?? (this.socket.readableLength > 0 ? this.socket.read() : null);
  }

  /** Reads the next chunk. */
  ask(): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    setImmediate(this.#readLater);
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

  /**
   * Not in the turn in which a chunk has arrived: libuv, which has polled data and a reset together, then takes the reset for
   * an end if the stream is reading again (`uv__stream_io`: POLLHUP after a partial read).
   */
  readonly #readLater = (): void => {
    this.#isAsking = false;
    this.socket.read(0);
  };

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
