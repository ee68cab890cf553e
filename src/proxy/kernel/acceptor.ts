import { type Address, formatAddress, isUnix } from '../../lib/address.ts';
import { errorName } from '../../libc/errno.ts';
import type { Loop, Watched } from '../../libc/event-loop.ts';
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
import type { Timed } from '../../libc/timer-heap.ts';

/** Of one listener, until others have their turn. */
const ACCEPTS_A_TURN = 16;
/** Out of files or of memory: accepting goes on after so long. */
const PAUSE_MS = 100;

export interface Accepting {
  /** False: there is a word to be heard first, perhaps on the next client. Accepting goes on in the next turn. */
  mayAccept(): boolean;
  onClient(fd: number, from: Address): void;
  /** Not for each accept that fails, but once before each pause. */
  onError(error: Error): void;
}

/** The listening sockets of a port. */
export class Listeners {
  /** Asked for at each connection. */
  addresses: readonly Address[] = [];
  readonly #libc: Libc;
  readonly #loop: Loop;
  readonly #accepting: Accepting;
  readonly #open = new Map<string, Listener>();

  constructor(libc: Libc, loop: Loop, accepting: Accepting) {
    this.#libc = libc;
    this.#loop = loop;
    this.#accepting = accepting;
  }

  /** @throws Error with the system's code */
  listen(address: Address): Address {
    const { fd, bound } = openListener(this.#libc, address);
    const listener = new Listener(fd, bound, this.#libc, this.#loop, this.#accepting);
    this.#open.set(formatAddress(bound), listener);
    this.#list();
    listener.begin();
    return bound;
  }

  unlisten(address: Address): void {
    const key = formatAddress(address);
    this.#open.get(key)?.end();
    this.#open.delete(key);
    this.#list();
  }

  #list(): void {
    this.addresses = [...this.#open.values()].map(({ address }) => address);
  }
}

class Listener implements Watched, Timed {
  dueMs = 0;
  place = -1;
  readonly address: Address;
  readonly #fd: number;
  readonly #libc: Libc;
  readonly #loop: Loop;
  readonly #accepting: Accepting;
  readonly #peer: Memory;

  constructor(fd: number, address: Address, libc: Libc, loop: Loop, accepting: Accepting) {
    this.address = address;
    this.#fd = fd;
    this.#libc = libc;
    this.#loop = loop;
    this.#accepting = accepting;
    this.#peer = libc.memory(ADDRESS_MEMORY_BYTES);
  }

  /** Told again in each turn while somebody waits: those who do not fit into one come in the next. */
  begin(): void {
    const failed = this.#loop.watch(this.#fd, EPOLLIN, this);
    if (failed < 0) this.#pause(-failed);
  }

  onEvents(): void {
    for (let left = ACCEPTS_A_TURN; left > 0 && this.#accepting.mayAccept(); left -= 1) {
      const failed = this.#accept();
      if (failed === EAGAIN) return;
      if (failed > 0) return this.#pause(failed);
    }
  }

  onDue(): void {
    this.begin();
  }

  /** Who has connected already is not reset, but served. */
  end(): void {
    while (this.#accept() === 0);
    this.#loop.clearDeadline(this);
    this.#loop.close(this.#fd);
    this.#libc.release(this.#peer);
  }

  /** @returns 0, or why not */
  #accept(): number {
    const fd = this.#libc.accept(this.#fd, this.#peer);
    if (fd < 0) return fd === -ECONNABORTED || fd === -EINTR ? 0 : -fd;
    this.#accepting.onClient(fd, readAddress(this.#peer) ?? this.address);
    return 0;
  }

  #pause(errno: number): void {
    const code = errorName(errno);
    const at = isUnix(this.address) ? this.address.host : formatAddress(this.address);
    this.#accepting.onError(Object.assign(new Error(`accept ${code}: ${at}`), { code, syscall: 'accept' }));
    this.#loop.unwatch(this.#fd);
    this.#loop.setDeadline(this, this.#loop.nowMs + PAUSE_MS);
  }
}
