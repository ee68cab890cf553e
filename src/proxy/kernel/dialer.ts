import { type Address, isUnix } from '../../lib/address.ts';
import { errorName } from '../../libc/errno.ts';
import type { Loop, Watched } from '../../libc/event-loop.ts';
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
import { makePrompt } from '../../libc/socket-options.ts';
import type { Timed } from '../../libc/timer-heap.ts';
import type { Port } from '../admission.ts';
import { isHoldable, moreTelling } from '../dial-retry.ts';
import type { Gate, Held } from './retry-gate.ts';
import type { LoopGuard } from './self-connect-guard.ts';
import type { Target, Targets, Waiter } from './upstream-addresses.ts';

/** What all dials of a port share. */
export interface Line {
  readonly libc: Libc;
  readonly loop: Loop;
  readonly gate: Gate;
  readonly targets: Targets;
  readonly guard: LoopGuard;
  /** Where getsockname(2) puts an address. */
  readonly address: Memory;
  /** A dead port that the system may give to the dialling end can connect to itself. */
  mayBeItself(address: Address): boolean;
}

export interface Caller {
  /** @param mask the events that have come with the connection */
  onConnected(fd: number, address: Address, mask: number): void;
  onRefused(code: string): void;
  /** Before the first wait for the upstream: false when nobody is there to wait. */
  mayWait(): boolean;
}

/** Every event once, when it comes: nothing is to be changed while a connection lasts (epoll(7), edge-triggered). */
export const ALL_EVENTS = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET;

/** From the first try at an address to the connection, or to giving up: see `dial` of proxy/dial.ts, which does the same. */
export class Dialling implements Watched, Timed, Held, Waiter {
  dueMs = 0;
  place = -1;
  /** Of the record. */
  tries = 0;
  holdMs = 0;
  connectMs = 0;
  address: Address | null = null;
  readonly #line: Line;
  readonly #port: Port;
  readonly #caller: Caller;
  readonly #startedMs: number;
  #triedMs = 0;
  #left: readonly Target[] = [];
  #at = 0;
  #code = 'ELOOP';
  #fd = -1;
  #isHeld = false;
  #isTrying = false;
  #isOver = false;

  constructor(line: Line, port: Port, caller: Caller) {
    this.#line = line;
    this.#port = port;
    this.#caller = caller;
    this.#startedMs = line.loop.nowMs;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Every address once. */
  retry(): void {
    if (this.#isTrying || this.#isOver) return;
    this.#isTrying = true;
    const { targets, loop } = this.#line;
    const known = targets.get(loop.nowMs, this);
    if (known === undefined) return;
    this.#code = 'code' in known ? known.code : 'ELOOP';
    this.#left = 'code' in known ? [] : inOrder(known, this.#port);
    this.#at = 0;
    this.#next();
  }

  onTargets(): void {
    this.#isTrying = false;
    this.retry();
  }

  /** The client has gone, or the hold is over. */
  cancel(): void {
    if (this.#isOver) return;
    this.#end();
    this.#closeSocket();
  }

  onEvents(mask: number): void {
    const fd = this.#fd;
    const errno = mask & (EPOLLERR | EPOLLHUP) ? this.#line.libc.socketError(fd) : 0;
    if (errno !== 0) return this.#failed(errorName(errno));
    if (!(mask & EPOLLOUT)) return;
    if (this.#isItself(fd)) this.#failed('ESELF');
    else this.#connected(mask);
  }

  /** The connect time-out, or, between two tries, the end of the hold. */
  onDue(): void {
    if (this.#fd >= 0) return this.#failed('ETIMEDOUT');
    if (this.#isTrying) return;
    this.#refuse();
  }

  #next(): void {
    while (this.#at < this.#left.length) {
      const target = this.#left[this.#at];
      this.#at += 1;
      if (target && this.#connect(target)) return;
    }
    this.#roundOver();
  }

  /** False: it was refused at once. */
  #connect(target: Target): boolean {
    const { libc, loop, guard } = this.#line;
    this.tries += 1;
    this.address = target.address;
    this.#triedMs = loop.nowMs;
    this.holdMs = loop.nowMs - this.#startedMs;
    const fd = libc.socket(target.family);
    if (fd < 0) return this.#note(errorName(-fd));
    makePrompt(libc, fd, target.address);
    const result = libc.connect(fd, target.memory, target.size);
    if (result < 0 && result !== -EINPROGRESS) {
      libc.close(fd);
      return this.#note(errorName(-result));
    }
    this.#fd = fd;
    if (guard.isNeeded(target.address)) guard.dialled(this.#ownAddress(fd), target.address, loop.nowMs);
    loop.setDeadline(this, loop.nowMs + this.#port.policy.connectTimeoutMs);
    const failed = loop.watch(fd, ALL_EVENTS, this);
    if (failed >= 0) return true;
    this.#closeSocket();
    return this.#note(errorName(-failed));
  }

  #connected(mask: number): void {
    const { gate, loop } = this.#line;
    const [fd, address] = [this.#fd, this.address];
    if (address === null) return;
    this.connectMs = loop.nowMs - this.#triedMs;
    this.#fd = -1;
    this.#end();
    this.#caller.onConnected(fd, address, mask);
    gate.open();
  }

  #failed(code: string): void {
    this.connectMs = this.#line.loop.nowMs - this.#triedMs;
    this.#closeSocket();
    this.#note(code);
    this.#next();
  }

  #note(code: string): false {
    this.#port.onFailure(code);
    this.#code = moreTelling(this.#code, code);
    return false;
  }

  #roundOver(): void {
    this.#isTrying = false;
    if (!isHoldable(this.#code)) return this.#refuse();
    const { loop, gate } = this.#line;
    const untilMs = this.#startedMs + this.#port.policy.holdMs;
    if (loop.nowMs >= untilMs) return this.#refuse();
    if (!this.#isHeld && !(this.#caller.mayWait() && this.#port.mayHold())) return this.#refuse();
    loop.setDeadline(this, untilMs);
    if (this.#isHeld) return gate.failed(this);
    this.#isHeld = true;
    this.#port.onHeld(1);
    gate.add(this);
  }

  #refuse(): void {
    if (this.#isOver) return;
    this.#end();
    this.#caller.onRefused(this.#code);
  }

  #end(): void {
    this.#isOver = true;
    this.#line.loop.clearDeadline(this);
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#port.onHeld(-1);
    this.#line.gate.remove(this);
  }

  #closeSocket(): void {
    if (this.#fd >= 0) this.#line.loop.close(this.#fd);
    this.#fd = -1;
  }

  #isItself(fd: number): boolean {
    if (this.address === null || !this.#line.mayBeItself(this.address)) return false;
    const own = this.#ownAddress(fd);
    return own !== undefined && own.port === this.address.port && own.host === this.address.host;
  }

  #ownAddress(fd: number): Address | undefined {
    if (this.address && isUnix(this.address)) return undefined;
    const { libc, address } = this.#line;
    return libc.getsockname(fd, address) < 0 ? undefined : readAddress(address);
  }
}

/** Without the proxy's own listeners; the one that answered last goes first. */
const inOrder = (targets: readonly Target[], port: Port): readonly Target[] => {
  const [only] = targets;
  if (only && targets.length === 1 && !port.isOwnListener(only.address)) return targets;
  const dialled = targets.filter(({ address }) => !port.isOwnListener(address));
  const preferred = port.preferred();
  const at = preferred ? dialled.findIndex(({ address }) => address.host === preferred.host) : -1;
  const [first] = at > 0 ? dialled.splice(at, 1) : [];
  return first ? [first, ...dialled] : dialled;
};
