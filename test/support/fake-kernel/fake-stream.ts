import { constants } from 'node:os';
import type { Address } from '../../../src/lib/address.ts';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } from '../../../src/libc/libc.ts';
import { ByteQueue } from './fake-bytes.ts';

const { EAGAIN, ECONNRESET, EPIPE } = constants.errno;

export interface Ends {
  readonly local: Address;
  readonly remote: Address;
}

/**
 * One end of a stream, as Linux has it: net/ipv4/tcp.c (tcp_poll, tcp_recvmsg, tcp_sendmsg), tcp_input.c (tcp_reset),
 * net/unix/af_unix.c. What it writes is in its outbox until {@link flow} brings it to the inbox of the other end.
 */
export class Stream implements Ends {
  readonly local: Address;
  readonly remote: Address;
  readonly isUnix: boolean;
  readonly inbox = new ByteQueue();
  readonly outbox = new ByteQueue();
  /** Of the inbox and of the outbox. */
  inBytes = Number.POSITIVE_INFINITY;
  outBytes = Number.POSITIVE_INFINITY;
  peer: Stream | undefined;
  /** Who is to be told that something has changed: epoll. */
  onWake = (): void => {};
  /** sk_err: told once. */
  error = 0;
  hasSentFin = false;
  isFinDelivered = false;
  hasFin = false;
  /** Reset, by either end. */
  isDead = false;
  isClosed = false;
  isAccepted = false;
  /** close(2) resets. */
  lingersNot = false;
  /** SOCK_NOSPACE: somebody wants to be told that there is room again. */
  wantsRoom = false;
  /** SO_RCVLOWAT */
  lowBytes = 1;
  /** All that was ever written into the outbox, and that has ever come into the inbox. */
  written = 0;
  arrived = 0;
  /** After so many bytes, urgent data has been sent to here. */
  mark = -1;

  constructor({ local, remote }: Ends, isUnix: boolean) {
    this.local = local;
    this.remote = remote;
    this.isUnix = isUnix;
  }

  get isConnecting(): boolean {
    return this.peer === undefined && !this.isDead;
  }

  /** tcp_epollin_ready: as much as is wanted, or as fits. */
  get hasEnough(): boolean {
    return this.inbox.size > 0 && this.inbox.size >= Math.min(this.lowBytes, this.inBytes);
  }

  get room(): number {
    const size = this.isUnix ? (this.peer?.inbox.size ?? 0) : this.outbox.size;
    return Math.max(0, this.outBytes - size);
  }

  /** Nothing more arrives. */
  get isOver(): boolean {
    return this.isDead || this.hasFin;
  }

  poll(): number {
    let mask = 0;
    if (this.isDead || (this.hasSentFin && this.hasFin)) mask |= EPOLLHUP;
    if (this.isOver) mask |= EPOLLIN | EPOLLRDHUP;
    if (this.hasEnough) mask |= EPOLLIN;
    if (this.mark >= this.#taken && this.mark <= this.arrived) mask |= EPOLLPRI;
    if (!this.isConnecting) {
      if (this.isDead || this.hasSentFin || this.#isRoomy()) mask |= EPOLLOUT;
      else this.wantsRoom = true;
    }
    if (this.error !== 0) mask |= EPOLLERR;
    return mask;
  }

  /**
   * Urgent data ends a read, though there is more; splice(2) does not get past it (tcp_recvmsg, tcp_read_sock).
   * @returns what was queued, 0 at the end, or a negative errno
   */
  read(most: number, isSplice = false): readonly Buffer[] | number {
    const isAtMark = isSplice && this.mark === this.#taken;
    if (this.inbox.size > 0 && !isAtMark) {
      const left = this.mark > this.#taken ? this.mark - this.#taken : most;
      const taken = this.inbox.take(Math.min(most, left));
      if (this.isUnix) this.peer?.tellRoom();
      return taken;
    }
    if (this.hasFin) return 0;
    if (this.error !== 0) return -this.takeError();
    return this.isDead ? 0 : -EAGAIN;
  }

  /** @returns how much of `size` may be written, or a negative errno */
  mayWrite(size: number): number {
    if (this.hasSentFin || this.isDead || this.error !== 0) return -(this.takeError() || EPIPE);
    if (this.room > 0) return Math.min(size, this.room);
    this.wantsRoom = true;
    return -EAGAIN;
  }

  /** No more than {@link mayWrite} has allowed. */
  write(chunk: Buffer): void {
    this.written += chunk.length;
    this.outbox.push(chunk);
    if (this.isUnix) this.flow();
  }

  shutdown(): void {
    if (this.isDead || this.hasSentFin) return;
    this.hasSentFin = true;
    this.onWake();
    if (this.isUnix) this.flow();
  }

  takeError(): number {
    const { error } = this;
    this.error = 0;
    return error;
  }

  /** What is on its way arrives, `most` bytes of it. */
  flow(most = Number.POSITIVE_INFINITY): void {
    const { peer } = this;
    if (!peer || this.isDead) return;
    if (peer.isClosed && (this.outbox.size > 0 || peer.isDead)) return this.receiveReset();
    // A unix socket's buffer is the sender's, and it lies at the other end.
    const room = this.isUnix ? this.outBytes : peer.inBytes;
    const chunks = this.outbox.take(Math.min(most, room - peer.inbox.size));
    for (const chunk of chunks) {
      peer.inbox.push(chunk);
      peer.arrived += chunk.length;
    }
    if (chunks.length > 0 && peer.hasEnough) peer.onWake();
    if (this.outbox.size === 0 && this.hasSentFin && !this.isFinDelivered) {
      this.isFinDelivered = true;
      peer.hasFin = true;
      peer.onWake();
    }
    this.tellRoom();
  }

  tellRoom(): void {
    if (!this.wantsRoom || !this.#isRoomy()) return;
    this.wantsRoom = false;
    this.onWake();
  }

  /** tcp_reset: what has come stays to be read. */
  receiveReset(): void {
    if (this.isDead || (this.hasFin && this.isFinDelivered)) return;
    this.isDead = true;
    if (!this.isClosed) this.error = this.hasFin && !this.hasSentFin ? EPIPE : ECONNRESET;
    this.outbox.clear();
    this.onWake();
  }

  /** Nobody listens there, or the like. */
  refuse(errno: number): void {
    this.isDead = true;
    this.error = errno;
    this.onWake();
  }

  reset(): void {
    this.lingersNot = true;
    this.close();
  }

  close(): void {
    if (this.isClosed) throw new Error('a stream was closed twice');
    this.isClosed = true;
    if (this.isUnix) return this.#closeUnix();
    if (this.isDead) return;
    if (this.peer === undefined) this.isDead = true;
    else if (this.lingersNot || this.inbox.size > 0) {
      this.isDead = true;
      this.outbox.clear();
      this.peer.receiveReset();
    } else this.hasSentFin = true;
  }

  #closeUnix(): void {
    const { peer } = this;
    this.isDead = true;
    if (!peer || peer.isDead) return;
    peer.isDead = true;
    if (this.inbox.size > 0) peer.error = ECONNRESET;
    else peer.hasFin = true;
    peer.onWake();
  }

  get #taken(): number {
    return this.arrived - this.inbox.size;
  }

  #isRoomy(): boolean {
    return this.room >= Math.min(this.outBytes, 1e9) / 3;
  }
}

/** Both ends of a connection. */
export const join = (one: Stream, other: Stream): void => {
  one.peer = other;
  other.peer = one;
};
