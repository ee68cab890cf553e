import { type Address, isUnix } from '../../lib/address.ts';
import { dialReason, type Reason } from '../../lib/close-reason.ts';
import { errorName } from '../../libc/errno.ts';
import type { Unfinished, Watched } from '../../libc/event-loop.ts';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } from '../../libc/libc.ts';
import { readAddress } from '../../libc/sockaddr.ts';
import { keepAlive } from '../../libc/socket-options.ts';
import type { Timed } from '../../libc/timer-heap.ts';
import type { Connection, Port } from '../admission.ts';
import { type Caller, Dialling, type Line } from './dialer.ts';
import { End, type Relay } from './relay.ts';

/** What all connections of a port share. */
export interface Shared extends Line {
  readonly relay: Relay;
  onMoved(isToUpstream: boolean, bytes: number): void;
}

/** How long the kernel may take to send what came before a reset, until the reset is passed on. */
const MOST_DELIVERY_MS = 500;
const FIRST_DELIVERY_LOOK_MS = 2;
/** Long before the first probe is due. */
const KEEP_ALIVE_AFTER_MS = 1_000;

const READABLE = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
const HUNG = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

/** An end of a connection, with what is known of how it failed. */
class Side extends End implements Watched, Unfinished {
  /** Everything that came from here has been passed on, or nobody takes it any more. */
  isDone = false;
  readonly #connection: KernelConnection;

  constructor(connection: KernelConnection, fd: number, peer: Address) {
    super(fd, isUnix(peer));
    this.#connection = connection;
  }

  onEvents(mask: number): void {
    if (mask & READABLE) this.canRead = true;
    if (mask & HUNG) this.isHung = true;
    if (mask & EPOLLPRI) this.hasMark = true;
    if (mask & EPOLLOUT) this.canWrite = true;
    this.#connection.onSide(this, mask);
  }

  goOn(): void {
    this.#connection.goOn(this);
  }

  override onDue(): void {
    this.#connection.onLate(this);
  }
}

/** One client, from accept to its record; see the portable engine's connection.ts, which does the same on node:net. */
export class KernelConnection implements Connection, Caller, Timed {
  dueMs = 0;
  place = -1;
  readonly #shared: Shared;
  readonly #port: Port;
  readonly #from: Address;
  readonly #client: Side;
  readonly #acceptedMs: number;
  /** The address that the client has connected to, where the connection may be one of the proxy's own. */
  readonly #own: Address | undefined;
  readonly #isLoop: boolean;
  #dialling: Dialling | undefined;
  #upstream: Side | undefined;
  #reason: Reason | undefined;
  #code: string | null = null;
  #activeMs = 0;
  #keepAliveDueMs = Number.POSITIVE_INFINITY;
  #isHalfClosed = false;
  /** What was sent before a reset is on its way: the look at it comes again, at growing pauses. */
  #delivering: Side | undefined;
  #deliverUntilMs = 0;
  #lookMs = FIRST_DELIVERY_LOOK_MS;
  #isOver = false;

  constructor(fd: number, from: Address, port: Port, shared: Shared) {
    this.#shared = shared;
    this.#port = port;
    this.#from = from;
    this.#acceptedMs = shared.loop.nowMs;
    this.#client = new Side(this, fd, from);
    this.#own = shared.guard.isNeeded(port.policy.upstream) ? this.#ownAddress() : undefined;
    this.#isLoop = this.#own !== undefined && shared.guard.accepted(from, this.#own);
  }

  get client(): Watched {
    return this.#client;
  }

  isLoop(): boolean {
    return this.#isLoop;
  }

  serve(): void {
    this.#dialling = new Dialling(this.#shared, this.#port, this);
    this.#dialling.retry();
  }

  abort(reason: Reason): void {
    this.#because(reason, null);
    this.#reset();
  }

  bytes(): { readonly toUpstream: number; readonly toClient: number } {
    return { toUpstream: this.#client.moved, toClient: this.#upstream?.moved ?? 0 };
  }

  onConnected(fd: number, address: Address, mask: number): void {
    const { loop, guard } = this.#shared;
    const upstream = new Side(this, fd, address);
    this.#upstream = upstream;
    loop.adopt(fd, upstream);
    if (guard.isNeeded(address) && guard.isClients(this.#addressOf(fd), address)) return this.abort('loop');
    this.#port.onOpen(this.#from, address);
    this.#activeMs = loop.nowMs;
    this.#keepAliveDueMs = loop.nowMs + KEEP_ALIVE_AFTER_MS;
    this.#setTimeout();
    this.#client.canWrite = true;
    upstream.onEvents(mask);
    if (!this.#isOver) this.#pump(this.#client, upstream);
  }

  onRefused(code: string): void {
    this.#because(dialReason(code), code);
    this.#reset();
  }

  mayWait(): boolean {
    if (this.#hasLeft()) this.abort('client_gone');
    return !this.#isOver;
  }

  onSide(side: Side, mask: number): void {
    const upstream = this.#upstream;
    if (this.#isOver) return;
    if (!upstream) return this.#early(mask);
    if (this.#delivering) {
      // The other one's reset may be told twice.
      if (side === this.#delivering && mask & (EPOLLERR | EPOLLHUP)) this.#reset();
      return;
    }
    const other = side === this.#client ? upstream : this.#client;
    if (mask & EPOLLERR && this.#hasFailed(side, other)) return;
    if (mask & READABLE) this.#pump(side, other);
    if (mask & EPOLLOUT && !this.#isOver && isWaiting(other)) this.#pump(other, side);
  }

  goOn(side: Side): void {
    if (this.#isOver || !this.#upstream) return;
    this.#pump(side, side === this.#client ? this.#upstream : this.#client);
  }

  onLate(side: Side): void {
    this.#shared.relay.hurry(side);
    side.canRead = true;
    this.goOn(side);
  }

  onDue(): void {
    if (this.#delivering) return this.#deliver(this.#delivering);
    const { nowMs } = this.#shared.loop;
    if (nowMs >= this.#keepAliveDueMs) this.#keepAlive();
    if (nowMs < this.#timeoutDueMs()) return this.#setTimeout();
    this.abort(this.#isHalfClosed ? 'half_close_timeout' : 'idle_timeout');
  }

  /** Most connections are over by then, and are spared the calls. */
  #keepAlive(): void {
    this.#keepAliveDueMs = Number.POSITIVE_INFINITY;
    for (const side of [this.#client, this.#upstream])
      if (side && !side.isUnix) keepAlive(this.#shared.libc, side.fd);
  }

  /**
   * Of a client that waits: its bytes are left in the socket; that it leaves is noticed. One that has only closed its
   * half may want an answer: it is served when the upstream is there at once, and not waited with when it is not.
   */
  #early(mask: number): void {
    if (mask & EPOLLERR) {
      this.#because('client_reset', errorName(this.#shared.libc.socketError(this.#client.fd)));
      return this.#reset();
    }
    const isDialling = this.#dialling !== undefined && !this.#dialling.isHeld;
    if (!isDialling && this.#hasLeft()) this.abort('client_gone');
  }

  #hasLeft(): boolean {
    const { fd, isHung } = this.#client;
    return isHung && this.#shared.libc.unread(fd) === 0;
  }

  #pump(side: Side, other: Side): void {
    if (side.isDone) return;
    const { relay, loop } = this.#shared;
    const before = side.moved;
    const outcome = relay.pump(side, other);
    if (side.moved !== before) {
      this.#activeMs = loop.nowMs;
      if (!this.#port.isCheck) this.#shared.onMoved(side === this.#client, side.moved - before);
    }
    switch (outcome) {
      case 'waiting':
        return;
      case 'unfinished':
        return loop.putOff(side);
      case 'ended':
        return this.#passEnd(side, other);
      case 'from_failed':
        return this.#fail(side, other, relay.errno);
      case 'to_failed':
        return this.#fail(other, side, relay.errno);
    }
  }

  #passEnd(side: Side, other: Side): void {
    side.isDone = true;
    if (side.isReset) return this.#deliver(other);
    if (other.isDone) return this.#finish();
    this.#shared.libc.shutdown(other.fd);
    this.#halfClose();
  }

  /** True when EPOLLERR was a failure of the connection. */
  #hasFailed(side: Side, other: Side): boolean {
    const errno = this.#shared.libc.socketError(side.fd);
    if (errno === 0) return false;
    this.#fail(side, other, errno);
    return true;
  }

  /** What it had sent before its reset is passed on, for as long as the other side takes it. */
  #fail(side: Side, other: Side, errno: number): void {
    const { relay } = this.#shared;
    this.#because(side === this.#client ? 'client_reset' : 'upstream_reset', errorName(errno));
    side.isReset = true;
    other.isDone = true;
    relay.drop(other);
    if (other.isReset) return this.#reset();
    if (!side.hasEnded) side.canRead = true;
    side.isDone = false;
    this.#halfClose();
    this.#pump(side, other);
  }

  /** A reset overtakes what the kernel has not sent yet: that is waited for, but not for long. */
  #deliver(to: Side): void {
    const { loop, libc } = this.#shared;
    this.#deliverUntilMs ||= loop.nowMs + MOST_DELIVERY_MS;
    this.#delivering = to;
    const isDelivered = to.isUnix || libc.unsent(to.fd) <= 0;
    if (isDelivered || loop.nowMs >= this.#deliverUntilMs) return this.#reset();
    loop.setDeadline(this, Math.min(loop.nowMs + this.#lookMs, this.#deliverUntilMs));
    this.#lookMs *= 2;
  }

  #halfClose(): void {
    this.#isHalfClosed = true;
    this.#activeMs = this.#shared.loop.nowMs;
    this.#setTimeout();
  }

  /** It is looked at when it may be due: a byte that passes costs no change of the deadline. */
  #setTimeout(): void {
    const { loop } = this.#shared;
    const dueMs = Math.min(this.#timeoutDueMs(), this.#keepAliveDueMs);
    if (dueMs < Number.POSITIVE_INFINITY) loop.setDeadline(this, dueMs);
    else loop.clearDeadline(this);
  }

  #timeoutDueMs(): number {
    const { halfCloseTimeoutMs, idleTimeoutMs } = this.#port.policy;
    const limitMs = this.#isHalfClosed ? halfCloseTimeoutMs : idleTimeoutMs;
    return limitMs > 0 ? this.#activeMs + limitMs : Number.POSITIVE_INFINITY;
  }

  /** The first reason counts. */
  #because(reason: Reason, code: string | null): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#code = code;
  }

  #reset(): void {
    if (this.#isOver) return;
    const { libc } = this.#shared;
    if (!this.#client.isUnix) libc.resetOnClose(this.#client.fd);
    if (this.#upstream && !this.#upstream.isUnix) libc.resetOnClose(this.#upstream.fd);
    this.#finish();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { loop, guard } = this.#shared;
    this.#dialling?.cancel();
    loop.clearDeadline(this);
    this.#close(this.#client);
    if (this.#upstream) this.#close(this.#upstream);
    if (this.#own) guard.left(this.#from, this.#own);
    this.#record(this.#dialling);
  }

  #close(side: Side): void {
    this.#shared.relay.drop(side);
    this.#shared.loop.close(side.fd);
  }

  #record(dialling: Dialling | undefined): void {
    const { nowMs } = this.#shared.loop;
    const { toUpstream, toClient } = this.bytes();
    const active = this.#port.remove(this);
    this.#port.onEnd({
      client: this.#from,
      upstream: dialling?.address ?? null,
      isConnected: this.#upstream !== undefined,
      reason: this.#reason ?? 'done',
      code: this.#code,
      tries: dialling?.tries ?? 0,
      bytesToUpstream: toUpstream,
      bytesToClient: toClient,
      holdMs: Math.round(dialling?.holdMs ?? nowMs - this.#acceptedMs),
      connectMs: Math.round(dialling?.connectMs ?? 0),
      totalMs: Math.round(nowMs - this.#acceptedMs),
      active,
    });
  }

  #ownAddress(): Address | undefined {
    return this.#addressOf(this.#client.fd);
  }

  #addressOf(fd: number): Address | undefined {
    const { libc, address } = this.#shared;
    return libc.getsockname(fd, address) < 0 ? undefined : readAddress(address);
  }
}

/** It has something for the other end, read or to be read. */
const isWaiting = ({ rest, bytesInPipe, canRead, hasEnded }: End): boolean =>
  rest !== undefined || bytesInPipe > 0 || canRead || hasEnded;
