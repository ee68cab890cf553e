import { type Address, isUnixSocket } from '../../lib/address.ts';
import { errorName } from '../../libc/errno.ts';
import type { DeferredTask, EventHandler } from '../../libc/event-loop.ts';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } from '../../libc/libc.ts';
import { enableKeepAlive } from '../../libc/socket-options.ts';
import type { ConnectionContext } from '../admission.ts';
import { ConnectionLifecycle, type ConnectionShared, type Side } from '../connection/lifecycle.ts';
import { Dialer, type DialerContext, type DialerOwner, localAddressOf } from './dialer.ts';
import { Half, type Relay } from './relay.ts';

/** The context that the connections of a port share. */
export interface SharedContext extends DialerContext, ConnectionShared {
  readonly relay: Relay;
}

const READABLE_EVENTS = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
const HANGUP_EVENTS = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

/** One side of a connection: its half of the relay, and the handler of its events. */
class Endpoint extends Half implements Side, EventHandler, DeferredTask {
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
    this.#connection.onWaitOver(this);
  }
}

/** The life of a connection on two file descriptors of an epoll loop. */
export class KernelConnection extends ConnectionLifecycle<Endpoint> implements DialerOwner {
  protected readonly client: Endpoint;
  readonly #shared: SharedContext;

  constructor(fd: number, clientAddress: Address, context: ConnectionContext, shared: SharedContext) {
    const isGuarded = shared.guard.isNeededFor(context.policy.upstream);
    super(clientAddress, isGuarded ? localAddressOf(fd, shared) : undefined, context, shared);
    this.#shared = shared;
    this.client = new Endpoint(this, fd, clientAddress);
  }

  get clientHandler(): EventHandler {
    return this.client;
  }

  onDialed(fd: number, address: Address, mask: number): void {
    const { loop, guard } = this.#shared;
    const upstream = new Endpoint(this, fd, address);
    loop.adopt(fd, upstream);
    this.onConnected(
      upstream,
      address,
      guard.isNeededFor(address) ? localAddressOf(fd, this.#shared) : undefined,
    );
    if (this.isFinished) return;
    this.client.canWrite = true;
    upstream.onEvents(mask);
    if (!this.isFinished) this.pump(this.client, upstream);
  }

  onEndpointEvents(endpoint: Endpoint, mask: number): void {
    const { upstream } = this;
    if (this.isFinished) return;
    if (!upstream) return this.#onEventsBeforeConnect(mask);
    const peer = endpoint === this.client ? upstream : this.client;
    // epoll may report the reset of the side that failed first twice.
    if (mask & EPOLLERR && !endpoint.isReset && this.#hasFailed(endpoint, peer)) return;
    if (this.isFlushing) return;
    if (mask & READABLE_EVENTS) this.pump(endpoint, peer);
    if (mask & EPOLLOUT && !this.isFinished && hasPendingData(peer)) this.pump(peer, endpoint);
  }

  resume(endpoint: Endpoint): void {
    if (this.isFinished || !this.upstream) return;
    this.pump(endpoint, endpoint === this.client ? this.upstream : this.client);
  }

  onWaitOver(endpoint: Endpoint): void {
    this.#shared.relay.endWait(endpoint);
    this.resume(endpoint);
  }

  protected override createDial(): Dialer {
    return new Dialer(this.#shared, this.context, this);
  }

  protected override hasClientLeft(): boolean {
    const { fd, hasHangup } = this.client;
    return hasHangup && this.#shared.libc.unreadBytes(fd) === 0;
  }

  protected override pump(from: Endpoint, to: Endpoint): void {
    if (from.isForwardingDone) return;
    const { relay, loop } = this.#shared;
    const movedBefore = from.movedBytes;
    const outcome = relay.pump(from, to);
    if (from.movedBytes !== movedBefore) this.onMoved(from, from.movedBytes - movedBefore);
    switch (outcome) {
      case 'waiting':
        return;
      case 'unfinished':
        return loop.defer(from);
      case 'ended':
        return this.onEnd(from, to);
      case 'from_failed':
        return this.onFailure(from, to, errorName(relay.errno));
      case 'to_failed':
        return this.onFailure(to, from, errorName(relay.errno));
    }
  }

  protected override pumpRest(from: Endpoint, to: Endpoint): void {
    if (!from.isReadClosed) from.canRead = true;
    this.pump(from, to);
  }

  protected override drop(from: Endpoint): void {
    this.#shared.relay.drop(from);
  }

  protected override sendEnd(to: Endpoint): void {
    this.#shared.libc.shutdown(to.fd);
  }

  protected override isFlushed(to: Endpoint): boolean {
    return to.isUnix || this.#shared.libc.unsentBytes(to.fd) <= 0;
  }

  protected override enableKeepAlive({ fd, isUnix }: Endpoint): void {
    if (!isUnix) enableKeepAlive(this.#shared.libc, fd);
  }

  /** The sockets are set to be reset on close. */
  protected override close({ fd, isUnix }: Endpoint, how: 'reset' | 'orderly'): void {
    const { libc, loop } = this.#shared;
    if (how === 'orderly' && !isUnix) libc.setResetOnClose(fd, false);
    loop.close(fd);
  }

  /** Watches a waiting client for disconnects without reading its data. */
  #onEventsBeforeConnect(mask: number): void {
    if (mask & EPOLLERR) this.onClientFailure(errorName(this.#shared.libc.socketError(this.client.fd)));
    else this.onClientLeft();
  }

  /** Asks the socket for its error. @returns whether the side has failed */
  #hasFailed(endpoint: Endpoint, peer: Endpoint): boolean {
    const errno = this.#shared.libc.socketError(endpoint.fd);
    if (errno === 0) return false;
    this.onFailure(endpoint, peer, errorName(errno));
    return true;
  }
}

/** True when the side has bytes for the other side, read already or still to be read. */
const hasPendingData = ({ pendingWrite, bytesInPipe, canRead, isReadClosed }: Half): boolean =>
  pendingWrite !== undefined || bytesInPipe > 0 || canRead || isReadClosed;
