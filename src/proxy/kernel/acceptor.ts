import { type Address, formatAddress, isUnixSocket } from '../../lib/address.ts';
import type { Timer } from '../../lib/timers/timer-heap.ts';
import { errorName } from '../../libc/errno.ts';
import type { EventHandler, EventLoop } from '../../libc/event-loop.ts';
import {
  ADDRESS_MEMORY_BYTES,
  EAGAIN,
  ECONNABORTED,
  EINTR,
  EPOLLIN,
  type Libc,
  type Memory,
} from '../../libc/libc.ts';
import { readAddress } from '../../libc/sockaddr.ts';
import { openListener } from '../../libc/socket-options.ts';

/** The most clients that one listener accepts in a turn, so that others have theirs. */
const MAX_ACCEPTS_PER_TURN = 16;
/** The pause of a listener after a failed accept, such as one without free files or memory. */
const PAUSE_MS = 100;

export interface AcceptCallbacks {
  /**
   * False while a command of the main thread is pending: it may concern the next client. Accepting goes on in the next
   * turn.
   */
  mayAccept(): boolean;
  onClient(fd: number, client: Address): void;
  /** Called once before each pause, not for every accept that fails. */
  onError(error: Error): void;
}

/** The listening sockets of a port. */
export class Acceptor {
  /** Kept up to date instead of computed, because every connection reads it. */
  addresses: readonly Address[] = [];
  readonly #libc: Libc;
  readonly #loop: EventLoop;
  readonly #callbacks: AcceptCallbacks;
  readonly #listeners = new Map<string, Listener>();

  constructor(libc: Libc, loop: EventLoop, callbacks: AcceptCallbacks) {
    this.#libc = libc;
    this.#loop = loop;
    this.#callbacks = callbacks;
  }

  /**
   * @returns the address with the port that the system chose where the given one is 0
   * @throws Error with the system's code
   */
  listen(address: Address): Address {
    const { fd, bound } = openListener(this.#libc, address);
    const listener = new Listener(fd, bound, this.#libc, this.#loop, this.#callbacks);
    this.#listeners.set(formatAddress(bound), listener);
    this.#updateAddresses();
    listener.start();
    return bound;
  }

  /** Stops listening on the address; does nothing when nothing listens there. */
  unlisten(address: Address): void {
    const key = formatAddress(address);
    this.#listeners.get(key)?.close();
    this.#listeners.delete(key);
    this.#updateAddresses();
  }

  #updateAddresses(): void {
    this.addresses = [...this.#listeners.values()].map(({ address }) => address);
  }
}

class Listener implements EventHandler, Timer {
  dueAt = 0;
  heapIndex = -1;
  readonly address: Address;
  readonly #fd: number;
  readonly #libc: Libc;
  readonly #loop: EventLoop;
  readonly #callbacks: AcceptCallbacks;
  readonly #addressMemory: Memory;

  constructor(fd: number, address: Address, libc: Libc, loop: EventLoop, callbacks: AcceptCallbacks) {
    this.address = address;
    this.#fd = fd;
    this.#libc = libc;
    this.#loop = loop;
    this.#callbacks = callbacks;
    this.#addressMemory = libc.allocate(ADDRESS_MEMORY_BYTES);
  }

  /**
   * Watches level-triggered: clients beyond MAX_ACCEPTS_PER_TURN raise the event again in the next turn. A watch that fails
   * is tried again after a pause.
   */
  start(): void {
    const result = this.#loop.watch(this.#fd, EPOLLIN, this);
    if (result < 0) this.#pause(-result);
  }

  onEvents(): void {
    for (let remaining = MAX_ACCEPTS_PER_TURN; remaining > 0 && this.#callbacks.mayAccept(); remaining -= 1) {
      const result = this.#accept();
      if (result === EAGAIN) return;
      if (result > 0) return this.#pause(result);
    }
  }

  onDue(): void {
    this.start();
  }

  /** Accepts the clients that have connected already, which close(2) would reset, and closes the listener. */
  close(): void {
    while (this.#accept() === 0);
    this.#loop.clearDeadline(this);
    this.#loop.close(this.#fd);
    this.#libc.release(this.#addressMemory);
  }

  /** Accepts one client. @returns 0, or the errno of the failure; 0 also for a client that has already left */
  #accept(): number {
    const fd = this.#libc.accept(this.#fd, this.#addressMemory);
    if (fd < 0) return fd === -ECONNABORTED || fd === -EINTR ? 0 : -fd;
    this.#callbacks.onClient(fd, readAddress(this.#addressMemory) ?? this.address);
    return 0;
  }

  #pause(errno: number): void {
    const code = errorName(errno);
    const where = isUnixSocket(this.address) ? this.address.host : formatAddress(this.address);
    this.#callbacks.onError(
      Object.assign(new Error(`accept ${code}: ${where}`), { code, syscall: 'accept' }),
    );
    this.#loop.unwatch(this.#fd);
    this.#loop.setDeadline(this, this.#loop.now + PAUSE_MS);
  }
}
