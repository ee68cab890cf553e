import { type Address, formatAddress } from '../../lib/address.ts';
import type { EventLoop } from '../../libc/event-loop.ts';
import type { Libc } from '../../libc/libc.ts';
import { openListener } from '../../libc/socket-options.ts';
import { Listener, type ListenerCallbacks } from './listener.ts';

/** The listening sockets of a port. */
export class Acceptor {
  /**
   * The addresses of all listeners, those that are being closed included. Kept up to date instead of computed, because every
   * connection reads it.
   */
  addresses: readonly Address[] = [];
  readonly #libc: Libc;
  readonly #loop: EventLoop;
  readonly #callbacks: ListenerCallbacks;
  readonly #listeners = new Map<string, Listener>();
  #isStopped = false;
  readonly #waitingActions: (() => void)[] = [];

  constructor(libc: Libc, loop: EventLoop, callbacks: ListenerCallbacks) {
    this.#libc = libc;
    this.#loop = loop;
    this.#callbacks = callbacks;
  }

  /**
   * To be called when no listener is being closed ({@link whenClosed}), since the address of one cannot be bound.
   * @returns the address with the port that the system chose where the given one is 0
   * @throws Error with the system's code; ECANCELED after {@link stop}
   */
  listen(address: Address): Address {
    if (this.#isStopped) throw Object.assign(new Error('the proxy stops listening'), { code: 'ECANCELED' });
    const { fd, bound } = openListener(this.#libc, address);
    const listener = new Listener(fd, bound, this.#libc, this.#loop, this.#callbacks, this.#onClosed);
    this.#listeners.set(formatAddress(bound), listener);
    this.#updateAddresses();
    listener.start();
    return bound;
  }

  /**
   * Stops listening on the address, if anything listens there. It waits as {@link whenClosed} does.
   * @param onClosed called when the address can be bound again
   */
  unlisten(address: Address, onClosed: () => void): void {
    this.whenClosed(() => {
      this.#listeners.get(formatAddress(address))?.close();
      this.#waitingActions.unshift(onClosed);
    });
  }

  /** Begins to stop listening for good. */
  stop(): void {
    this.#isStopped = true;
    for (const listener of this.#listeners.values()) listener.close();
  }

  /** Ends what {@link stop} has begun. Clients that were not accepted are reset. */
  stopNow(): void {
    for (const listener of this.#listeners.values()) listener.closeNow();
  }

  /** Calls the action once no listener is being closed, after the actions that wait already. */
  whenClosed(action: () => void): void {
    this.#waitingActions.push(action);
    this.#runActions();
  }

  readonly #onClosed = ({ address }: Listener): void => {
    this.#listeners.delete(formatAddress(address));
    this.#updateAddresses();
    this.#runActions();
  };

  #runActions(): void {
    const isClosing = ({ isClosing }: Listener): boolean => isClosing;
    while (this.#waitingActions.length > 0 && ![...this.#listeners.values()].some(isClosing))
      this.#waitingActions.shift()?.();
  }

  #updateAddresses(): void {
    this.addresses = [...this.#listeners.values()].map(({ address }) => address);
  }
}
