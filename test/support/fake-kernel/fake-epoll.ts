import { EPOLLERR, EPOLLET, EPOLLHUP, EVENT_LAYOUT } from '../../../src/libc/libc.ts';

interface Watch {
  readonly fd: number;
  readonly mask: number;
  readonly generation: number;
  /** The events of the file at this moment. */
  poll(): number;
}

/**
 * An epoll instance. A file that was woken is polled for its events: once with EPOLLET, and in each wait without (epoll(7)).
 */
export class FakeEpoll {
  readonly kind = 'epoll';
  readonly #watched = new Map<number, Watch>();
  readonly #ready = new Set<number>();

  /** @returns a function that wakes the file */
  add(watch: Watch): () => void {
    const { fd } = watch;
    this.#watched.set(fd, watch);
    if (watch.poll() !== 0) this.#ready.add(fd);
    return () => {
      if (this.#watched.get(fd) === watch) this.#ready.add(fd);
    };
  }

  delete(fd: number): boolean {
    this.#ready.delete(fd);
    return this.#watched.delete(fd);
  }

  /**
   * @param words room for `maxEvents` events, each in the form of {@link EVENT_LAYOUT}
   * @returns the number of events
   */
  wait(words: Int32Array, maxEvents: number): number {
    let count = 0;
    for (const fd of [...this.#ready].slice(0, maxEvents)) {
      this.#ready.delete(fd);
      const watch = this.#watched.get(fd);
      const mask = watch ? watch.poll() & (watch.mask | EPOLLERR | EPOLLHUP) : 0;
      if (!watch || mask === 0) continue;
      if (!(watch.mask & EPOLLET)) this.#ready.add(fd);
      const offset = count * EVENT_LAYOUT.words;
      words[offset] = mask;
      words[offset + EVENT_LAYOUT.fd] = fd;
      words[offset + EVENT_LAYOUT.generation] = watch.generation;
      count += 1;
    }
    return count;
  }
}
