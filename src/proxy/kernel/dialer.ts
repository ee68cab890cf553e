import { type Address, formatAddress, isUnixSocket } from '../../lib/address.ts';
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

/** The context that the dials of a port share. */
export interface DialContext {
  readonly libc: Libc;
  readonly loop: EventLoop;
  readonly gate: RetryGate;
  readonly upstreamAddresses: UpstreamAddresses;
  readonly guard: SelfConnectGuard;
  /** The memory into which getsockname(2) writes an address. */
  readonly addressMemory: Memory;
  /** True when a dial can connect to itself: only where the system may give the dialed port to the dialing socket. */
  maySelfConnect(address: Address): boolean;
  /** The debug log of dials; undefined while it is off. */
  readonly logDial: ((message: string, ...values: readonly (string | number)[]) => void) | undefined;
}

export interface DialCallbacks {
  /** @param mask the events that epoll has reported together with the connection */
  onConnected(fd: number, address: Address, mask: number): void;
  /** The dial has failed for good, with a code of the system or of the resolver, ELOOP or ESELF. */
  onConnectFailed(code: string): void;
  /** Called before the first wait for the upstream; false when the client has left. */
  mayWait(): boolean;
}

/** Edge-triggered (epoll(7)): each event is reported once, and the mask never changes while a connection lasts. */
export const ALL_EVENTS = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET;

/** Dials the upstream until a connection is made or given up. `dial` of portable/dial.ts does the same on node:net. */
export class Dialer implements EventHandler, Timer, Waiter, AddressWaiter {
  dueAt = 0;
  heapIndex = -1;
  /** These four are fields of the connection's record. */
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

  /** Starts a round, which tries every address once; does nothing while a round is running. */
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

  /** Ends the dial without a callback, because its connection has ended. */
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

  /** The connect time-out has passed or, between two rounds, the hold has ended. */
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

  /** Starts an attempt at an address. @returns false when it has failed at once */
  #connect(candidate: ResolvedAddress): boolean {
    const { libc, loop, guard, logDial } = this.#shared;
    this.attempts += 1;
    this.address = candidate.address;
    this.#attemptedAt = loop.now;
    this.holdMs = loop.now - this.#startedAt;
    logDial?.('connecting to %s, attempt %d', formatAddress(candidate.address), this.attempts);
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
    const { gate, loop, logDial } = this.#shared;
    const [fd, address] = [this.#fd, this.address];
    if (address === null) return;
    this.connectMs = loop.now - this.#attemptedAt;
    logDial?.('connected to %s in %d ms', formatAddress(address), Math.round(this.connectMs));
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
    this.#shared.logDial?.('attempt %d failed: %s', this.attempts, code);
    this.#context.onConnectFailure(code);
    this.#code = moreDecisiveCode(this.#code, code);
    return false;
  }

  #onRoundFailed(): void {
    this.#isRoundRunning = false;
    if (!isRetryable(this.#code)) return this.#giveUp();
    const { loop, gate, logDial } = this.#shared;
    const holdEndsAt = this.#startedAt + this.#context.policy.holdMs;
    if (loop.now >= holdEndsAt) return this.#giveUp();
    if (!this.#isWaitingForUpstream && !(this.#callbacks.mayWait() && this.#context.mayWait()))
      return this.#giveUp();
    loop.setDeadline(this, holdEndsAt);
    if (this.#isWaitingForUpstream) return gate.onFailed(this);
    this.#isWaitingForUpstream = true;
    logDial?.('waiting for the upstream (%s), %d ms at most', this.#code, Math.round(holdEndsAt - loop.now));
    this.#context.onWaitingChange(1);
    gate.add(this);
  }

  #giveUp(): void {
    if (this.#isFinished) return;
    this.#shared.logDial?.('gave up: %s, attempts: %d', this.#code, this.attempts);
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

/** Leaves out the proxy's own listeners, and moves the address that answered last to the front. */
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
