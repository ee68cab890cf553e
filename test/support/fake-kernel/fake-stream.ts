import { constants } from 'node:os';
import type { Address } from '../../../src/lib/address.ts';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } from '../../../src/libc/libc.ts';
import { ByteQueue } from './fake-bytes.ts';

const { EAGAIN, ECONNRESET, EPIPE } = constants.errno;

export interface AddressPair {
  readonly local: Address;
  readonly remote: Address;
}

/**
 * One side of a stream, which behaves as in Linux: net/ipv4/tcp.c (tcp_poll, tcp_recvmsg, tcp_sendmsg), tcp_input.c
 * (tcp_reset), net/unix/af_unix.c. Written bytes stay in the outbox until {@link deliver} moves them to the other inbox.
 */
export class Stream implements AddressPair {
  readonly local: Address;
  readonly remote: Address;
  readonly isUnix: boolean;
  readonly inbox = new ByteQueue();
  readonly outbox = new ByteQueue();
  /** The sizes of the inbox and of the outbox. */
  inBytes = Number.POSITIVE_INFINITY;
  outBytes = Number.POSITIVE_INFINITY;
  peer: Stream | undefined;
  /** Tells epoll that something has changed. */
  onWake = (): void => {};
  /** sk_err, which is reported once. */
  error = 0;
  hasSentFin = false;
  isFinDelivered = false;
  hasFin = false;
  /** Either side has reset the stream. */
  isDead = false;
  isClosed = false;
  isAccepted = false;
  /** SO_LINGER with 0 s is set, so close(2) resets. */
  resetsOnClose = false;
  /** SOCK_NOSPACE: epoll reports when there is room again. */
  isWaitingForRoom = false;
  /** SO_RCVLOWAT */
  lowWatermarkBytes = 1;
  /** The bytes that were ever written into the outbox, and that have ever arrived in the inbox. */
  writtenBytes = 0;
  arrivedBytes = 0;
  /** The position of urgent data among the arriving bytes; -1: none was sent. */
  urgentOffset = -1;
  /** The positions among the arriving bytes behind those that a file descriptor came with, in ascending order. */
  readonly descriptorEnds: number[] = [];

  constructor({ local, remote }: AddressPair, isUnix: boolean) {
    this.local = local;
    this.remote = remote;
    this.isUnix = isUnix;
  }

  get isConnecting(): boolean {
    return this.peer === undefined && !this.isDead;
  }

  /** tcp_epollin_ready: SO_RCVLOWAT has arrived, or the inbox is full. */
  get hasEnough(): boolean {
    return this.inbox.size > 0 && this.inbox.size >= Math.min(this.lowWatermarkBytes, this.inBytes);
  }

  get room(): number {
    const size = this.isUnix ? (this.peer?.inbox.size ?? 0) : this.outbox.size;
    return Math.max(0, this.outBytes - size);
  }

  /** Nothing more will arrive. */
  get hasEnded(): boolean {
    return this.isDead || this.hasFin;
  }

  poll(): number {
    let mask = 0;
    if (this.isDead || (this.hasSentFin && this.hasFin)) mask |= EPOLLHUP;
    if (this.hasEnded) mask |= EPOLLIN | EPOLLRDHUP;
    if (this.hasEnough) mask |= EPOLLIN;
    if (this.urgentOffset >= this.#takenBytes && this.urgentOffset <= this.arrivedBytes) mask |= EPOLLPRI;
    if (!this.isConnecting) {
      if (this.isDead || this.hasSentFin || this.#hasEnoughRoom()) mask |= EPOLLOUT;
      else this.isWaitingForRoom = true;
    }
    if (this.error !== 0) mask |= EPOLLERR;
    return mask;
  }

  /**
   * Urgent data ends a read even if more bytes follow; splice(2) does not get past it (tcp_recvmsg, tcp_read_sock). A
   * passed file descriptor ends a read and a splice(2) (unix_stream_read_generic).
   * @returns the bytes, 0 at the end, or a negative errno
   */
  read(maxBytes: number, isSplice = false): readonly Buffer[] | number {
    const isAtMark = isSplice && this.urgentOffset === this.#takenBytes;
    if (this.inbox.size > 0 && !isAtMark) {
      const ends = [this.urgentOffset, this.descriptorEnds[0] ?? -1].filter((end) => end > this.#takenBytes);
      const taken = this.inbox.take(Math.min(maxBytes, ...ends.map((end) => end - this.#takenBytes)));
      if (this.descriptorEnds[0] === this.#takenBytes) this.descriptorEnds.shift();
      if (this.isUnix) this.peer?.notifyRoom();
      return taken;
    }
    if (this.hasFin) return 0;
    if (this.error !== 0) return -this.takeError();
    return this.isDead ? 0 : -EAGAIN;
  }

  /** @returns how many of `size` bytes may be written, or a negative errno */
  mayWrite(size: number): number {
    if (this.hasSentFin || this.isDead || this.error !== 0) return -(this.takeError() || EPIPE);
    if (this.room > 0) return Math.min(size, this.room);
    this.isWaitingForRoom = true;
    return -EAGAIN;
  }

  /** Writes a chunk that is no larger than {@link mayWrite} allows. */
  write(chunk: Buffer): void {
    this.writtenBytes += chunk.length;
    this.outbox.push(chunk);
    if (this.isUnix) this.deliver();
  }

  shutdown(): void {
    if (this.isDead || this.hasSentFin) return;
    this.hasSentFin = true;
    this.onWake();
    if (this.isUnix) this.deliver();
  }

  takeError(): number {
    const { error } = this;
    this.error = 0;
    return error;
  }

  /** Moves written bytes to the other inbox, `maxBytes` at most, and then the FIN. */
  deliver(maxBytes = Number.POSITIVE_INFINITY): void {
    const { peer } = this;
    if (!peer || this.isDead) return;
    if (peer.isClosed && (this.outbox.size > 0 || peer.isDead)) return this.receiveReset();
    // The buffer of a unix socket is charged to the sender, and its bytes lie at the other side.
    const room = this.isUnix ? this.outBytes : peer.inBytes;
    const chunks = this.outbox.take(Math.min(maxBytes, room - peer.inbox.size));
    for (const chunk of chunks) {
      peer.inbox.push(chunk);
      peer.arrivedBytes += chunk.length;
    }
    if (chunks.length > 0 && peer.hasEnough) peer.onWake();
    if (this.outbox.size === 0 && this.hasSentFin && !this.isFinDelivered) {
      this.isFinDelivered = true;
      peer.hasFin = true;
      peer.onWake();
    }
    this.notifyRoom();
  }

  notifyRoom(): void {
    if (!this.isWaitingForRoom || !this.#hasEnoughRoom()) return;
    this.isWaitingForRoom = false;
    this.onWake();
  }

  /** tcp_reset: bytes that have arrived can still be read. */
  receiveReset(): void {
    if (this.isDead || (this.hasFin && this.isFinDelivered)) return;
    this.isDead = true;
    if (!this.isClosed) this.error = this.hasFin && !this.hasSentFin ? EPIPE : ECONNRESET;
    this.outbox.clear();
    this.onWake();
  }

  /** The connect fails: nothing listens, or the address is not reachable. */
  refuse(errno: number): void {
    this.isDead = true;
    this.error = errno;
    this.onWake();
  }

  reset(): void {
    this.resetsOnClose = true;
    this.close();
  }

  close(): void {
    if (this.isClosed) throw new Error('a stream was closed twice');
    this.isClosed = true;
    if (this.isUnix) return this.#closeUnix();
    if (this.isDead) return;
    if (this.peer === undefined) this.isDead = true;
    else if (this.resetsOnClose || this.inbox.size > 0) {
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

  get #takenBytes(): number {
    return this.arrivedBytes - this.inbox.size;
  }

  #hasEnoughRoom(): boolean {
    return this.room >= Math.min(this.outBytes, 1e9) / 3;
  }
}

/** Makes two streams the sides of one connection. */
export const connectStreams = (near: Stream, far: Stream): void => {
  near.peer = far;
  far.peer = near;
};
