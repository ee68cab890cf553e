/**
 * The room proxy/connection: what both engines decide in the same way about a connection: how the upstream is dialled and
 * its clients are held, and how a connection ends. It is pure; the engines' subclasses do the I/O.
 */

import type { Address } from '../../lib/address.ts';
import { type Backoff, backoffMs } from '../../lib/backoff.ts';
import { type CloseReason, connectErrorReason, isPeerError } from '../../lib/close-reason.ts';
import type { Timer, Timers } from '../../lib/timers/timer-heap.ts';
import type { ConnectionContext } from '../admission.ts';
import type { Connection } from '../engine.ts';
import type { Dial, DialOwner } from './dial.ts';
import type { SelfConnectGuard } from './self-connect-guard.ts';
import type { Candidate } from './upstream-addresses.ts';

/** One side of a connection, and the direction of the bytes from there to the other side. */
export interface Side {
  /** All bytes from this side have been forwarded, or the other side accepts no more. */
  isForwardingDone: boolean;
  /** This side has failed: nothing more can be sent to it. */
  isReset: boolean;
  /** The bytes that were written to the other side. */
  movedBytes: number;
}

/** What the connections of a port share. */
export interface ConnectionShared {
  readonly timers: Timers;
  readonly guard: SelfConnectGuard;
  /** The pauses between two checks whether the bytes before a reset are sent; `maxMs` is also how long they are waited for. */
  readonly flushChecks: Backoff;
  /** Called for the bytes that were written to one side, checks excepted. */
  onBytesMoved(isToUpstream: boolean, bytes: number): void;
}

/** Keep-alive is turned on this long after the connect: most connections have ended by then and are spared the calls. */
const KEEPALIVE_DELAY_MS = 1_000;

/** One client, from accept to its record. The first reason for its end is the one that is recorded. */
export abstract class ConnectionLifecycle<S extends Side> implements Connection, DialOwner, Timer {
  dueAt = 0;
  heapIndex = -1;
  protected abstract readonly client: S;
  protected upstream: S | undefined;
  protected readonly context: ConnectionContext;
  readonly #shared: ConnectionShared;
  readonly #clientAddress: Address;
  readonly #localAddress: Address | undefined;
  readonly #isSelfConnection: boolean;
  readonly #acceptedAt: number;
  #dial: Dial<Candidate> | undefined;
  #reason: CloseReason | undefined;
  #code: string | null = null;
  #lastActiveAt = 0;
  #keepAliveAt = Number.POSITIVE_INFINITY;
  #isHalfClosed = false;
  /** The side that gets a reset as soon as the bytes before it are sent. */
  #flushingTo: S | undefined;
  #flushEndsAt = 0;
  #flushChecks = 0;
  #isFinished = false;

  /**
   * @param localAddress the address that the client has connected to; undefined where the connection cannot be one of the
   *   proxy's own
   */
  constructor(
    clientAddress: Address,
    localAddress: Address | undefined,
    context: ConnectionContext,
    shared: ConnectionShared,
  ) {
    this.#clientAddress = clientAddress;
    this.#localAddress = localAddress;
    this.context = context;
    this.#shared = shared;
    this.#acceptedAt = shared.timers.now;
    this.#isSelfConnection =
      localAddress !== undefined && shared.guard.onAccepted(clientAddress, localAddress);
  }

  protected abstract createDial(): Dial<Candidate>;
  /** True when the client has sent its FIN, and nothing else that is still to be forwarded. */
  protected abstract hasClientLeft(): boolean;
  /** Moves what can be moved from one side to the other, and reports by {@link onMoved}, {@link onEnd} and {@link onFailure}. */
  protected abstract pump(from: S, to: S): void;
  /** Moves what the side had sent before it failed, and reports as {@link pump} does. */
  protected abstract pumpRest(from: S, to: S): void;
  /** Drops the bytes that were read from the side and not written to the other. */
  protected abstract drop(from: S): void;
  /** Sends a FIN, after all that was written. */
  protected abstract sendEnd(to: S): void;
  /** True when the peer's kernel has acknowledged all that was written, and where this cannot be known. */
  protected abstract isFlushed(to: S): boolean | Promise<boolean>;
  protected abstract enableKeepAlive(side: S): void;
  /** Closes the side: with a reset, or in an orderly way after all that was written. */
  protected abstract close(side: S, how: 'reset' | 'orderly'): void;

  protected get isFinished(): boolean {
    return this.#isFinished;
  }

  /** Nothing is moved any more: the bytes before a reset are being sent. */
  protected get isFlushing(): boolean {
    return this.#flushingTo !== undefined;
  }

  isLoop(): boolean {
    return this.#isSelfConnection;
  }

  serve(): void {
    this.#dial = this.createDial();
    this.#dial.retry();
  }

  abort(reason: CloseReason): void {
    this.#setReason(reason, null);
    this.#finish('reset');
  }

  bytes(): { readonly toUpstream: number; readonly toClient: number } {
    return { toUpstream: this.client.movedBytes, toClient: this.upstream?.movedBytes ?? 0 };
  }

  onConnectFailed(code: string): void {
    this.#setReason(connectErrorReason(code), code);
    this.#finish('reset');
  }

  mayWait(): boolean {
    if (this.hasClientLeft()) this.abort('client_gone');
    return !this.#isFinished;
  }

  /**
   * The client has sent its FIN before it has an upstream. It may still want an answer: it is served if the dial that is
   * under way succeeds, and dropped instead of waiting for the upstream or for a slot.
   */
  protected onClientLeft(): void {
    const isDialing = this.#dial !== undefined && !this.#dial.isWaitingForUpstream;
    if (!isDialing && this.hasClientLeft()) this.abort('client_gone');
  }

  /** The client has failed before it has an upstream. */
  protected onClientFailure(code: string): void {
    this.#setReason('client_reset', code);
    this.#finish('reset');
  }

  /** The dial has succeeded. @param localAddress the local address of the new connection; undefined where it is not needed */
  protected onConnected(upstream: S, address: Address, localAddress: Address | undefined): void {
    this.upstream = upstream;
    if (this.#shared.guard.isConnectedToClient(localAddress, address)) return this.abort('loop');
    const { now } = this.#shared.timers;
    this.context.onOpen(this.#clientAddress, address);
    this.#lastActiveAt = now;
    this.#keepAliveAt = now + KEEPALIVE_DELAY_MS;
    this.#setTimeout();
  }

  /** `bytes` more were written from the side to the other, and are counted in its `movedBytes`. */
  protected onMoved(from: S, bytes: number): void {
    this.#lastActiveAt = this.#shared.timers.now;
    if (!this.context.isCheck) this.#shared.onBytesMoved(from === this.client, bytes);
  }

  /** All that the side has sent is forwarded, its FIN excepted. */
  protected onEnd(side: S, peer: S): void {
    side.isForwardingDone = true;
    if (side.isReset) return this.#flushBeforeReset(peer);
    if (peer.isForwardingDone) return this.#finish('orderly');
    this.sendEnd(peer);
    this.#halfClose();
  }

  /** The side has failed. Forwards what it had sent before, as far as the other side accepts it, and then the reset. */
  protected onFailure(side: S, peer: S, code: string): void {
    if (!isPeerError(code)) {
      this.#setReason('io_error', code);
      return this.#finish('reset');
    }
    this.#setReason(side === this.client ? 'client_reset' : 'upstream_reset', code);
    side.isReset = true;
    peer.isForwardingDone = true;
    this.drop(peer);
    if (peer.isReset || this.#flushingTo === side) return this.#finish('reset');
    if (this.#flushingTo) return;
    side.isForwardingDone = false;
    this.#halfClose();
    this.pumpRest(side, peer);
  }

  onDue(): void {
    if (this.#flushingTo) return this.#flushBeforeReset(this.#flushingTo);
    if (this.#shared.timers.now >= this.#keepAliveAt) this.#enableKeepAlive();
    if (this.#shared.timers.now < this.#timeoutAt()) return this.#setTimeout();
    this.abort(this.#isHalfClosed ? 'half_close_timeout' : 'idle_timeout');
  }

  #enableKeepAlive(): void {
    this.#keepAliveAt = Number.POSITIVE_INFINITY;
    this.enableKeepAlive(this.client);
    if (this.upstream) this.enableKeepAlive(this.upstream);
  }

  /** A reset overtakes bytes that the kernel has not sent yet, so it waits for them, `flushChecks.maxMs` at most. */
  #flushBeforeReset(to: S): void {
    this.#flushEndsAt ||= this.#shared.timers.now + this.#shared.flushChecks.maxMs;
    this.#flushingTo = to;
    const flushed = this.isFlushed(to);
    if (typeof flushed === 'boolean') this.#onFlushChecked(flushed);
    else void flushed.then((isFlushed) => this.#onFlushChecked(isFlushed));
  }

  #onFlushChecked(isFlushed: boolean): void {
    const { timers, flushChecks } = this.#shared;
    if (this.#isFinished) return;
    if (isFlushed || timers.now >= this.#flushEndsAt) return this.#finish('reset');
    timers.setDeadline(
      this,
      Math.min(timers.now + backoffMs(flushChecks, this.#flushChecks), this.#flushEndsAt),
    );
    this.#flushChecks += 1;
  }

  #halfClose(): void {
    this.#isHalfClosed = true;
    this.#lastActiveAt = this.#shared.timers.now;
    this.#setTimeout();
  }

  /** Sets the timer of the time-out. A moved byte does not reset the timer: {@link onDue} checks whether it is due. */
  #setTimeout(): void {
    const { timers } = this.#shared;
    const dueAt = Math.min(this.#timeoutAt(), this.#keepAliveAt);
    if (dueAt < Number.POSITIVE_INFINITY) timers.setDeadline(this, dueAt);
    else timers.clearDeadline(this);
  }

  #timeoutAt(): number {
    const { halfCloseTimeoutMs, idleTimeoutMs } = this.context.policy;
    const timeoutMs = this.#isHalfClosed ? halfCloseTimeoutMs : idleTimeoutMs;
    return timeoutMs > 0 ? this.#lastActiveAt + timeoutMs : Number.POSITIVE_INFINITY;
  }

  #setReason(reason: CloseReason, code: string | null): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#code = code;
  }

  #finish(how: 'reset' | 'orderly'): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#dial?.cancel();
    this.#shared.timers.clearDeadline(this);
    this.#closeSide(this.client, how);
    if (this.upstream) this.#closeSide(this.upstream, how);
    if (this.#localAddress) this.#shared.guard.onClosed(this.#clientAddress, this.#localAddress);
    this.#record(this.#dial);
  }

  #closeSide(side: S, how: 'reset' | 'orderly'): void {
    this.drop(side);
    this.close(side, how);
  }

  #record(dial: Dial<Candidate> | undefined): void {
    const { now } = this.#shared.timers;
    const { toUpstream, toClient } = this.bytes();
    const active = this.context.remove(this);
    this.context.onEnd({
      client: this.#clientAddress,
      upstream: dial?.address ?? null,
      isConnected: this.upstream !== undefined,
      reason: this.#reason ?? 'done',
      code: this.#code,
      tries: dial?.attempts ?? 0,
      bytesToUpstream: toUpstream,
      bytesToClient: toClient,
      holdMs: Math.round(dial?.holdMs ?? now - this.#acceptedAt),
      connectMs: Math.round(dial?.connectMs ?? 0),
      totalMs: Math.round(now - this.#acceptedAt),
      active,
    });
  }
}
