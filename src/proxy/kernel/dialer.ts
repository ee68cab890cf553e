import { type Address, isUnixSocket } from '../../lib/address.ts';
import { errorName } from '../../libc/errno.ts';
import type { EventHandler, EventLoop } from '../../libc/event-loop.ts';
import {
  EINPROGRESS,
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  type Libc,
  type Memory,
} from '../../libc/libc.ts';
import { readAddress } from '../../libc/sockaddr.ts';
import { setLowLatency } from '../../libc/socket-options.ts';
import type { ConnectionContext } from '../admission.ts';
import { Dial, type DialContext, type DialOwner } from '../connection/dial.ts';
import type { SelfConnectGuard } from '../connection/self-connect-guard.ts';
import type { Candidate } from '../connection/upstream-addresses.ts';

/** One address of the upstream, ready for connect(2). */
export interface SocketAddress extends Candidate {
  readonly family: number;
  readonly memory: Memory;
  readonly size: number;
}

/** What the dials of a port share. */
export interface DialerContext extends DialContext<SocketAddress> {
  readonly libc: Libc;
  readonly loop: EventLoop;
  readonly guard: SelfConnectGuard;
  /** The memory into which getsockname(2) writes an address. */
  readonly addressMemory: Memory;
  /** True when a dial can connect to itself: only where the system may give the dialed port to the dialing socket. */
  maySelfConnect(address: Address): boolean;
}

export interface DialerOwner extends DialOwner {
  /** @param mask the events that epoll has reported together with the connection */
  onDialed(fd: number, address: Address, mask: number): void;
}

/** Edge-triggered (epoll(7)): each event is reported once, and the mask never changes while a connection lasts. */
export const ALL_EVENTS = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET;

/** Dials with non-blocking connects on the event loop. */
export class Dialer extends Dial<SocketAddress> implements EventHandler {
  readonly #shared: DialerContext;
  readonly #owner: DialerOwner;
  #fd = -1;
  #mask = 0;

  constructor(shared: DialerContext, context: ConnectionContext, owner: DialerOwner) {
    super(shared, context, owner);
    this.#shared = shared;
    this.#owner = owner;
  }

  onEvents(mask: number): void {
    const errno = mask & (EPOLLERR | EPOLLHUP) ? this.#shared.libc.socketError(this.#fd) : 0;
    if (errno !== 0) return this.onAttemptFailed(errorName(errno));
    if (!(mask & EPOLLOUT)) return;
    if (this.#isSelfConnected()) return this.onAttemptFailed('ESELF');
    this.#mask = mask;
    this.onAttemptSucceeded();
  }

  protected override connect({ address, family, memory, size }: SocketAddress): string | undefined {
    const { libc, loop, guard } = this.#shared;
    const fd = libc.socket(family);
    if (fd < 0) return errorName(-fd);
    setLowLatency(libc, fd, address);
    if (!isUnixSocket(address)) libc.setResetOnClose(fd, true);
    const result = libc.connect(fd, memory, size);
    if (result < 0 && result !== -EINPROGRESS) {
      libc.close(fd);
      return errorName(-result);
    }
    if (guard.isNeededFor(address)) guard.onDialed(localAddressOf(fd, this.#shared), address, loop.now);
    const watchResult = loop.watch(fd, ALL_EVENTS, this);
    if (watchResult < 0) {
      loop.close(fd);
      return errorName(-watchResult);
    }
    this.#fd = fd;
    return undefined;
  }

  protected override disconnect(): void {
    this.#shared.loop.close(this.#fd);
    this.#fd = -1;
  }

  protected override handOver(address: Address): void {
    const fd = this.#fd;
    this.#fd = -1;
    this.#owner.onDialed(fd, address, this.#mask);
  }

  #isSelfConnected(): boolean {
    if (this.address === null || !this.#shared.maySelfConnect(this.address)) return false;
    const localAddress = localAddressOf(this.#fd, this.#shared);
    return (
      localAddress !== undefined &&
      localAddress.port === this.address.port &&
      localAddress.host === this.address.host
    );
  }
}

/** The socket's own address; undefined for a unix socket and for one that is not connected any more. */
export const localAddressOf = (
  fd: number,
  { libc, addressMemory }: Pick<DialerContext, 'libc' | 'addressMemory'>,
): Address | undefined => (libc.getsockname(fd, addressMemory) < 0 ? undefined : readAddress(addressMemory));
