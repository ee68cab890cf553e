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
import type { Timer } from '../../libc/timer-heap.ts';
import type { ConnectionContext } from '../admission.ts';
import { isRetryable, moreDecisiveCode } from '../dial-retry.ts';
import type { RetryGate, Waiter } from './retry-gate.ts';
import type { SelfConnectGuard } from './self-connect-guard.ts';
import type { AddressWaiter, ResolvedAddress, UpstreamAddresses } from './upstream-addresses.ts';

/** What all dials of a port share. */
export interface DialContext {
  readonly libc: Libc;
  readonly loop: EventLoop;
  readonly gate: RetryGate;
  readonly upstreamAddresses: UpstreamAddresses;
  readonly guard: SelfConnectGuard;
  /** Where getsockname(2) puts an address. */
  readonly addressMemory: Memory;
  /** A dead port that the system may give to the dialling end can connect to itself. */
  maySelfConnect(address: Address): boolean;
}

export interface DialCallbacks {
  /** @param mask the events that have come with the connection */
  onConnected(fd: number, address: Address, mask: number): void;
  onConnectFailed(code: string): void;
  /** Before the first wait for the upstream: false when nobody is there to wait. */
  mayWait(): boolean;
}

/** Every event once, when it comes: nothing is to be changed while a connection lasts (epoll(7), edge-triggered). */
export const ALL_EVENTS = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET;

/** From the first try at an address to the connection, or to giving up: see `dial` of proxy/dial.ts, which does the same. */
export class Dialer implements EventHandler, Timer, Waiter, AddressWaiter {
  dueAt = 0;
  heapIndex = -1;
  /** Of the record. */
  attempts = 0;
  holdMs = 0;
  connectMs = 0;
  address: Address | null = null;
  readonly #shared: DialContext;
  readonly #context: ConnectionContext;
  readonly #callbacks: DialCallbacks;
  readonly #startedAt: number;
  #attemptedAt = 0;
  #candidates: readonly ResolvedAddress[] = [];
  #nextIndex = 0;
  #code = 'ELOOP';
  #fd = -1;
  #isWaitingForUpstream = false;
  #isRoundRunning = false;
  #isFinished = false;

  constructor(shared: DialContext, context: ConnectionContext, callbacks: DialCallbacks) {
    this.#shared = shared;
    this.#context = context;
    this.#callbacks = callbacks;
    this.#startedAt = shared.loop.now;
  }

  get isWaitingForUpstream(): boolean {
    return this.#isWaitingForUpstream;
  }

  /** Every address once. */
  retry(): void {
    if (this.#isRoundRunning || this.#isFinished) return;
    this.#isRoundRunning = true;
    const { upstreamAddresses, loop } = this.#shared;
    const found = upstreamAddresses.get(loop.now, this);
    if (found === undefined) return;
    this.#code = 'code' in found ? found.code : 'ELOOP';
    this.#candidates = 'code' in found ? [] : orderCandidates(found, this.#context);
    this.#nextIndex = 0;
    this.#connectNext();
  }

  onAddresses(): void {
    this.#isRoundRunning = false;
    this.retry();
  }

  /** The client has gone, or the hold is over. */
  cancel(): void {
    if (this.#isFinished) return;
    this.#finish();
    this.#closeSocket();
  }

  onEvents(mask: number): void {
    const fd = this.#fd;
    const errno = mask & (EPOLLERR | EPOLLHUP) ? this.#shared.libc.socketError(fd) : 0;
    if (errno !== 0) return this.#onAttemptFailed(errorName(errno));
    if (!(mask & EPOLLOUT)) return;
    if (this.#isSelfConnected(fd)) this.#onAttemptFailed('ESELF');
    else this.#onAttemptSucceeded(mask);
  }

  /** The connect time-out, or, between two tries, the end of the hold. */
  onDue(): void {
    if (this.#fd >= 0) return this.#onAttemptFailed('ETIMEDOUT');
    if (this.#isRoundRunning) return;
    this.#giveUp();
  }

  #connectNext(): void {
    while (this.#nextIndex < this.#candidates.length) {
      const candidate = this.#candidates[this.#nextIndex];
      this.#nextIndex += 1;
      if (candidate && this.#connect(candidate)) return;
    }
    this.#onRoundFailed();
  }

  /** False: it was refused at once. */
  #connect(candidate: ResolvedAddress): boolean {
    const { libc, loop, guard } = this.#shared;
    this.attempts += 1;
    this.address = candidate.address;
    this.#attemptedAt = loop.now;
    this.holdMs = loop.now - this.#startedAt;
    const fd = libc.socket(candidate.family);
    if (fd < 0) return this.#recordFailure(errorName(-fd));
    setLowLatency(libc, fd, candidate.address);
    const result = libc.connect(fd, candidate.memory, candidate.size);
    if (result < 0 && result !== -EINPROGRESS) {
      libc.close(fd);
      return this.#recordFailure(errorName(-result));
    }
    this.#fd = fd;
    if (guard.isNeededFor(candidate.address))
      guard.onDialed(this.#localAddressOf(fd), candidate.address, loop.now);
    loop.setDeadline(this, loop.now + this.#context.policy.connectTimeoutMs);
    const watchResult = loop.watch(fd, ALL_EVENTS, this);
    if (watchResult >= 0) return true;
    this.#closeSocket();
    return this.#recordFailure(errorName(-watchResult));
  }

  #onAttemptSucceeded(mask: number): void {
    const { gate, loop } = this.#shared;
    const [fd, address] = [this.#fd, this.address];
    if (address === null) return;
    this.connectMs = loop.now - this.#attemptedAt;
    this.#fd = -1;
    this.#finish();
    this.#callbacks.onConnected(fd, address, mask);
    gate.open();
  }

  #onAttemptFailed(code: string): void {
    this.connectMs = this.#shared.loop.now - this.#attemptedAt;
    this.#closeSocket();
    this.#recordFailure(code);
    this.#connectNext();
  }

  #recordFailure(code: string): false {
    this.#context.onConnectFailure(code);
    this.#code = moreDecisiveCode(this.#code, code);
    return false;
  }

  #onRoundFailed(): void {
    this.#isRoundRunning = false;
    if (!isRetryable(this.#code)) return this.#giveUp();
    const { loop, gate } = this.#shared;
    const holdEndsAt = this.#startedAt + this.#context.policy.holdMs;
    if (loop.now >= holdEndsAt) return this.#giveUp();
    if (!this.#isWaitingForUpstream && !(this.#callbacks.mayWait() && this.#context.mayWait()))
      return this.#giveUp();
    loop.setDeadline(this, holdEndsAt);
    if (this.#isWaitingForUpstream) return gate.onFailed(this);
    this.#isWaitingForUpstream = true;
    this.#context.onWaitingChange(1);
    gate.add(this);
  }

  #giveUp(): void {
    if (this.#isFinished) return;
    this.#finish();
    this.#callbacks.onConnectFailed(this.#code);
  }

  #finish(): void {
    this.#isFinished = true;
    this.#shared.loop.clearDeadline(this);
    if (!this.#isWaitingForUpstream) return;
    this.#isWaitingForUpstream = false;
    this.#context.onWaitingChange(-1);
    this.#shared.gate.remove(this);
  }

  #closeSocket(): void {
    if (this.#fd >= 0) this.#shared.loop.close(this.#fd);
    this.#fd = -1;
  }

  #isSelfConnected(fd: number): boolean {
    if (this.address === null || !this.#shared.maySelfConnect(this.address)) return false;
    const localAddress = this.#localAddressOf(fd);
    return (
      localAddress !== undefined &&
      localAddress.port === this.address.port &&
      localAddress.host === this.address.host
    );
  }

  #localAddressOf(fd: number): Address | undefined {
    if (this.address && isUnixSocket(this.address)) return undefined;
    const { libc, addressMemory } = this.#shared;
    return libc.getsockname(fd, addressMemory) < 0 ? undefined : readAddress(addressMemory);
  }
}

/** Without the proxy's own listeners; the one that answered last goes first. */
const orderCandidates = (
  addresses: readonly ResolvedAddress[],
  context: ConnectionContext,
): readonly ResolvedAddress[] => {
  const [only] = addresses;
  if (only && addresses.length === 1 && !context.isOwnListener(only.address)) return addresses;
  const candidates = addresses.filter(({ address }) => !context.isOwnListener(address));
  const preferred = context.preferredAddress();
  const index = preferred ? candidates.findIndex(({ address }) => address.host === preferred.host) : -1;
  const [first] = index > 0 ? candidates.splice(index, 1) : [];
  return first ? [first, ...candidates] : candidates;
};
