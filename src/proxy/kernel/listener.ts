import { type Address, formatAddress, isUnixSocket } from '../../lib/address.ts';
import type { Timer } from '../../lib/timers/timer-heap.ts';
import { errorName } from '../../libc/errno.ts';
import type { DeferredTask, EventHandler, EventLoop } from '../../libc/event-loop.ts';
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
import { BACKLOG } from '../../libc/socket-options.ts';

/** The most clients that one listener accepts in a turn, so that others have theirs. */
const MAX_ACCEPTS_PER_TURN = 16;
/** The pause of a listener after a failed accept, such as one without free files or memory. */
const PAUSE_MS = 100;
/**
 * A listener that is being closed accepts for this many turns at most: enough for a full queue and as many handshakes that are
 * under way. Only a system that ignores {@link Libc.dropSyns} lets more clients in.
 */
const MAX_CLOSING_TURNS = (2 * BACKLOG) / MAX_ACCEPTS_PER_TURN;

export interface ListenerCallbacks {
  /**
   * False while a command of the main thread is pending: it may concern the next client. Accepting goes on in the next
   * turn.
   */
  mayAccept(): boolean;
  onClient(fd: number, client: Address): void;
  /** Called once before each pause, not for every accept that fails. */
  onError(error: Error): void;
}

/** One listening socket. */
export class Listener implements EventHandler, Timer, DeferredTask {
  dueAt = 0;
  heapIndex = -1;
  readonly address: Address;
  readonly #fd: number;
  readonly #libc: Libc;
  readonly #loop: EventLoop;
  readonly #callbacks: ListenerCallbacks;
  readonly #onClosed: (listener: Listener) => void;
  readonly #addressMemory: Memory;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #closingTurns = 0;

  constructor(
    fd: number,
    address: Address,
    libc: Libc,
    loop: EventLoop,
    callbacks: ListenerCallbacks,
    onClosed: (listener: Listener) => void,
  ) {
    this.address = address;
    this.#fd = fd;
    this.#libc = libc;
    this.#loop = loop;
    this.#callbacks = callbacks;
    this.#onClosed = onClosed;
    this.#addressMemory = libc.allocate(ADDRESS_MEMORY_BYTES);
  }

  get isClosing(): boolean {
    return this.#state === 'closing';
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
    const errno = this.#acceptSome();
    if (errno > 0 && errno !== EAGAIN) this.#pause(errno);
  }

  onDue(): void {
    this.start();
  }

  /**
   * Begins to close the listener. The clients in its queue, which close(2) would reset, are accepted first, in as many turns as
   * that takes. A client that comes later sends its SYN again after 1 s (RFC 6298, section 2): it then meets the next listener
   * or a refusal. A unix socket gets no further clients since its file is removed before. ADR-0058.
   */
  close(): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.#loop.clearDeadline(this);
    this.#loop.unwatch(this.#fd);
    if (!isUnixSocket(this.address)) this.#libc.dropSyns(this.#fd);
    this.#loop.defer(this);
  }

  /** Goes on closing. A queue that cannot be accepted, such as one without free files, is dropped. */
  resume(): void {
    if (this.#state === 'closed') return;
    this.#closingTurns += 1;
    if (this.#acceptSome() === 0 && this.#closingTurns < MAX_CLOSING_TURNS) this.#loop.defer(this);
    else this.closeNow();
  }

  /** Resets the clients in the queue. To be called after {@link close}. */
  closeNow(): void {
    this.#state = 'closed';
    this.#loop.close(this.#fd);
    this.#libc.release(this.#addressMemory);
    this.#onClosed(this);
  }

  /** @returns 0 when more clients may be in the queue, or the errno that ended it */
  #acceptSome(): number {
    for (let remaining = MAX_ACCEPTS_PER_TURN; remaining > 0 && this.#callbacks.mayAccept(); remaining -= 1) {
      const errno = this.#accept();
      if (errno > 0) return errno;
    }
    return 0;
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
