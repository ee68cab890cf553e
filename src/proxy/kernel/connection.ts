import { type Address, isUnixSocket } from '../../lib/address.ts';
import { type CloseReason, connectErrorReason } from '../../lib/close-reason.ts';
import { errorName } from '../../libc/errno.ts';
import type { DeferredTask, EventHandler } from '../../libc/event-loop.ts';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } from '../../libc/libc.ts';
import { readAddress } from '../../libc/sockaddr.ts';
import { enableKeepAlive } from '../../libc/socket-options.ts';
import type { Timer } from '../../libc/timer-heap.ts';
import type { ConnectionContext } from '../admission.ts';
import type { Connection } from '../engine.ts';
import { type DialCallbacks, type DialContext, Dialer } from './dialer.ts';
import { Half, type Relay } from './relay.ts';

/** The context that the connections of a port share. */
export interface SharedContext extends DialContext {
  readonly relay: Relay;
  /** Called for the bytes that were written to one side, checks excepted. */
  onBytesMoved(isToUpstream: boolean, bytes: number): void;
}

/** A reset is forwarded after this time at the latest, even if the bytes before it are not all sent. */
const MAX_FLUSH_MS = 500;
/** The first pause between two checks for unsent bytes; it doubles with each check. */
const FIRST_FLUSH_CHECK_MS = 2;
/** Keep-alive is turned on this long after the connect, well before KEEPALIVE_IDLE_SECONDS have passed. */
const KEEPALIVE_DELAY_MS = 1_000;

const READABLE_EVENTS = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
const HANGUP_EVENTS = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

/** One side of a connection: its half of the relay, and the handler of its events. */
class Endpoint extends Half implements EventHandler, DeferredTask {
  /** All bytes from this side have been forwarded, or the other side accepts no more. */
  isForwardingDone = false;
  readonly #connection: KernelConnection;

  constructor(connection: KernelConnection, fd: number, address: Address) {
    super(fd, isUnixSocket(address));
    this.#connection = connection;
  }

  onEvents(mask: number): void {
    if (mask & READABLE_EVENTS) this.canRead = true;
    if (mask & HANGUP_EVENTS) this.hasHangup = true;
    if (mask & EPOLLPRI) this.hasUrgentData = true;
    if (mask & EPOLLOUT) this.canWrite = true;
    this.#connection.onEndpointEvents(this, mask);
  }

  resume(): void {
    this.#connection.resume(this);
  }

  override onDue(): void {
    this.#connection.onCoalesceTimeout(this);
  }
}

/** One client, from accept to its record. The portable engine's connection.ts does the same on node:net. */
export class KernelConnection implements Connection, DialCallbacks, Timer {
  dueAt = 0;
  heapIndex = -1;
  readonly #shared: SharedContext;
  readonly #context: ConnectionContext;
  readonly #clientAddress: Address;
  readonly #client: Endpoint;
  readonly #acceptedAt: number;
  /** The address that the client has connected to; undefined where the connection cannot be one of the proxy's own. */
  readonly #localAddress: Address | undefined;
  readonly #isSelfConnection: boolean;
  #dialer: Dialer | undefined;
  #upstream: Endpoint | undefined;
  #reason: CloseReason | undefined;
  #code: string | null = null;
  #lastActiveAt = 0;
  #keepAliveAt = Number.POSITIVE_INFINITY;
  #isHalfClosed = false;
  /** The side that gets a reset as soon as the bytes before it are sent, which is checked at growing pauses. */
  #flushingTo: Endpoint | undefined;
  #flushEndsAt = 0;
  #flushCheckMs = FIRST_FLUSH_CHECK_MS;
  #isFinished = false;

  constructor(fd: number, clientAddress: Address, context: ConnectionContext, shared: SharedContext) {
    this.#shared = shared;
    this.#context = context;
    this.#clientAddress = clientAddress;
    this.#acceptedAt = shared.loop.now;
    this.#client = new Endpoint(this, fd, clientAddress);
    this.#localAddress = shared.guard.isNeededFor(context.policy.upstream)
      ? this.#clientLocalAddress()
      : undefined;
    this.#isSelfConnection =
      this.#localAddress !== undefined && shared.guard.onAccepted(clientAddress, this.#localAddress);
  }

  get client(): EventHandler {
    return this.#client;
  }

  isLoop(): boolean {
    return this.#isSelfConnection;
  }

  serve(): void {
    this.#dialer = new Dialer(this.#shared, this.#context, this);
    this.#dialer.retry();
  }

  abort(reason: CloseReason): void {
    this.#setReason(reason, null);
    this.#reset();
  }

  bytes(): { readonly toUpstream: number; readonly toClient: number } {
    return { toUpstream: this.#client.movedBytes, toClient: this.#upstream?.movedBytes ?? 0 };
  }

  onConnected(fd: number, address: Address, mask: number): void {
    const { loop, guard } = this.#shared;
    const upstream = new Endpoint(this, fd, address);
    this.#upstream = upstream;
    loop.adopt(fd, upstream);
    if (guard.isNeededFor(address) && guard.isConnectedToClient(this.#localAddressOf(fd), address))
      return this.abort('loop');
    this.#context.onOpen(this.#clientAddress, address);
    this.#lastActiveAt = loop.now;
    this.#keepAliveAt = loop.now + KEEPALIVE_DELAY_MS;
    this.#setTimeout();
    this.#client.canWrite = true;
    upstream.onEvents(mask);
    if (!this.#isFinished) this.#pump(this.#client, upstream);
  }

  onConnectFailed(code: string): void {
    this.#setReason(connectErrorReason(code), code);
    this.#reset();
  }

  mayWait(): boolean {
    if (this.#hasClientLeft()) this.abort('client_gone');
    return !this.#isFinished;
  }

  onEndpointEvents(endpoint: Endpoint, mask: number): void {
    const upstream = this.#upstream;
    if (this.#isFinished) return;
    if (!upstream) return this.#onEventsBeforeConnect(mask);
    if (this.#flushingTo) {
      // epoll may report the reset of the other side twice.
      if (endpoint === this.#flushingTo && mask & (EPOLLERR | EPOLLHUP)) this.#reset();
      return;
    }
    const peer = endpoint === this.#client ? upstream : this.#client;
    if (mask & EPOLLERR && this.#handleSocketError(endpoint, peer)) return;
    if (mask & READABLE_EVENTS) this.#pump(endpoint, peer);
    if (mask & EPOLLOUT && !this.#isFinished && hasPendingData(peer)) this.#pump(peer, endpoint);
  }

  resume(endpoint: Endpoint): void {
    if (this.#isFinished || !this.#upstream) return;
    this.#pump(endpoint, endpoint === this.#client ? this.#upstream : this.#client);
  }

  onCoalesceTimeout(endpoint: Endpoint): void {
    this.#shared.relay.resetCoalescing(endpoint);
    endpoint.canRead = true;
    this.resume(endpoint);
  }

  onDue(): void {
    if (this.#flushingTo) return this.#flushBeforeReset(this.#flushingTo);
    const { now } = this.#shared.loop;
    if (now >= this.#keepAliveAt) this.#enableKeepAlive();
    if (now < this.#timeoutAt()) return this.#setTimeout();
    this.abort(this.#isHalfClosed ? 'half_close_timeout' : 'idle_timeout');
  }

  /** Most connections have ended by then and are spared the calls. */
  #enableKeepAlive(): void {
    this.#keepAliveAt = Number.POSITIVE_INFINITY;
    for (const endpoint of [this.#client, this.#upstream])
      if (endpoint && !endpoint.isUnix) enableKeepAlive(this.#shared.libc, endpoint.fd);
  }

  /**
   * Watches a waiting client for disconnects without reading its data. A client that has closed its
   * own half without unread bytes may still want an answer: it is served if the first dial succeeds, and dropped instead of
   * waiting for the upstream.
   */
  #onEventsBeforeConnect(mask: number): void {
    if (mask & EPOLLERR) {
      this.#setReason('client_reset', errorName(this.#shared.libc.socketError(this.#client.fd)));
      return this.#reset();
    }
    const isDialing = this.#dialer !== undefined && !this.#dialer.isWaitingForUpstream;
    if (!isDialing && this.#hasClientLeft()) this.abort('client_gone');
  }

  #hasClientLeft(): boolean {
    const { fd, hasHangup } = this.#client;
    return hasHangup && this.#shared.libc.unreadBytes(fd) === 0;
  }

  #pump(endpoint: Endpoint, peer: Endpoint): void {
    if (endpoint.isForwardingDone) return;
    const { relay, loop } = this.#shared;
    const movedBefore = endpoint.movedBytes;
    const outcome = relay.pump(endpoint, peer);
    if (endpoint.movedBytes !== movedBefore) {
      this.#lastActiveAt = loop.now;
      if (!this.#context.isCheck)
        this.#shared.onBytesMoved(endpoint === this.#client, endpoint.movedBytes - movedBefore);
    }
    switch (outcome) {
      case 'waiting':
        return;
      case 'unfinished':
        return loop.defer(endpoint);
      case 'ended':
        return this.#forwardEnd(endpoint, peer);
      case 'from_failed':
        return this.#handleReset(endpoint, peer, relay.errno);
      case 'to_failed':
        return this.#handleReset(peer, endpoint, relay.errno);
    }
  }

  #forwardEnd(endpoint: Endpoint, peer: Endpoint): void {
    endpoint.isForwardingDone = true;
    if (endpoint.isReset) return this.#flushBeforeReset(peer);
    if (peer.isForwardingDone) return this.#finish();
    this.#shared.libc.shutdown(peer.fd);
    this.#halfClose();
  }

  /** Asks the socket for its error. @returns whether the connection has failed */
  #handleSocketError(endpoint: Endpoint, peer: Endpoint): boolean {
    const errno = this.#shared.libc.socketError(endpoint.fd);
    if (errno === 0) return false;
    this.#handleReset(endpoint, peer, errno);
    return true;
  }

  /** Forwards what the side has sent before its reset, as far as the other side accepts it. */
  #handleReset(endpoint: Endpoint, peer: Endpoint, errno: number): void {
    const { relay } = this.#shared;
    this.#setReason(endpoint === this.#client ? 'client_reset' : 'upstream_reset', errorName(errno));
    endpoint.isReset = true;
    peer.isForwardingDone = true;
    relay.drop(peer);
    if (peer.isReset) return this.#reset();
    if (!endpoint.isReadClosed) endpoint.canRead = true;
    endpoint.isForwardingDone = false;
    this.#halfClose();
    this.#pump(endpoint, peer);
  }

  /** A reset overtakes bytes that the kernel has not sent yet, so it waits for them, MAX_FLUSH_MS at most. */
  #flushBeforeReset(to: Endpoint): void {
    const { loop, libc } = this.#shared;
    this.#flushEndsAt ||= loop.now + MAX_FLUSH_MS;
    this.#flushingTo = to;
    const isFlushed = to.isUnix || libc.unsentBytes(to.fd) <= 0;
    if (isFlushed || loop.now >= this.#flushEndsAt) return this.#reset();
    loop.setDeadline(this, Math.min(loop.now + this.#flushCheckMs, this.#flushEndsAt));
    this.#flushCheckMs *= 2;
  }

  #halfClose(): void {
    this.#isHalfClosed = true;
    this.#lastActiveAt = this.#shared.loop.now;
    this.#setTimeout();
  }

  /** Sets the timer of the time-out. A moved byte does not reset the timer: {@link onDue} checks whether it is due. */
  #setTimeout(): void {
    const { loop } = this.#shared;
    const dueAt = Math.min(this.#timeoutAt(), this.#keepAliveAt);
    if (dueAt < Number.POSITIVE_INFINITY) loop.setDeadline(this, dueAt);
    else loop.clearDeadline(this);
  }

  #timeoutAt(): number {
    const { halfCloseTimeoutMs, idleTimeoutMs } = this.#context.policy;
    const timeoutMs = this.#isHalfClosed ? halfCloseTimeoutMs : idleTimeoutMs;
    return timeoutMs > 0 ? this.#lastActiveAt + timeoutMs : Number.POSITIVE_INFINITY;
  }

  /** Keeps the first reason. */
  #setReason(reason: CloseReason, code: string | null): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#code = code;
  }

  #reset(): void {
    if (this.#isFinished) return;
    const { libc } = this.#shared;
    if (!this.#client.isUnix) libc.resetOnClose(this.#client.fd);
    if (this.#upstream && !this.#upstream.isUnix) libc.resetOnClose(this.#upstream.fd);
    this.#finish();
  }

  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    const { loop, guard } = this.#shared;
    this.#dialer?.cancel();
    loop.clearDeadline(this);
    this.#closeEndpoint(this.#client);
    if (this.#upstream) this.#closeEndpoint(this.#upstream);
    if (this.#localAddress) guard.onClosed(this.#clientAddress, this.#localAddress);
    this.#record(this.#dialer);
  }

  #closeEndpoint(endpoint: Endpoint): void {
    this.#shared.relay.drop(endpoint);
    this.#shared.loop.close(endpoint.fd);
  }

  #record(dialer: Dialer | undefined): void {
    const { now } = this.#shared.loop;
    const { toUpstream, toClient } = this.bytes();
    const active = this.#context.remove(this);
    this.#context.onEnd({
      client: this.#clientAddress,
      upstream: dialer?.address ?? null,
      isConnected: this.#upstream !== undefined,
      reason: this.#reason ?? 'done',
      code: this.#code,
      tries: dialer?.attempts ?? 0,
      bytesToUpstream: toUpstream,
      bytesToClient: toClient,
      holdMs: Math.round(dialer?.holdMs ?? now - this.#acceptedAt),
      connectMs: Math.round(dialer?.connectMs ?? 0),
      totalMs: Math.round(now - this.#acceptedAt),
      active,
    });
  }

  #clientLocalAddress(): Address | undefined {
    return this.#localAddressOf(this.#client.fd);
  }

  #localAddressOf(fd: number): Address | undefined {
    const { libc, addressMemory } = this.#shared;
    return libc.getsockname(fd, addressMemory) < 0 ? undefined : readAddress(addressMemory);
  }
}

/** True when the side has bytes for the other side, read already or still to be read. */
const hasPendingData = ({ pendingWrite, bytesInPipe, canRead, isReadClosed }: Half): boolean =>
  pendingWrite !== undefined || bytesInPipe > 0 || canRead || isReadClosed;
