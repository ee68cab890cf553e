import { EPOLLERR, EPOLLET, EPOLLHUP, EVENT_LAYOUT } from '../../../src/libc/libc.ts';

interface Watch {
  readonly fd: number;
  readonly mask: number;
  readonly turn: number;
  /** What there is to tell of it just now. */
  poll(): number;
}

/** An epoll instance: what was woken is asked what it has to tell, once with EPOLLET and again and again without (epoll(7)). */
export class FakeEpoll {
  readonly kind = 'epoll';
  readonly #watched = new Map<number, Watch>();
  readonly #ready = new Set<number>();

  /** @returns what wakes it */
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

  /** @param words of `most` events, {@link EVENT_LAYOUT} apart @returns how many there are */
  wait(words: Int32Array, most: number): number {
    let told = 0;
    for (const fd of [...this.#ready].slice(0, most)) {
      this.#ready.delete(fd);
      const watch = this.#watched.get(fd);
      const mask = watch ? watch.poll() & (watch.mask | EPOLLERR | EPOLLHUP) : 0;
      if (!watch || mask === 0) continue;
      if (!(watch.mask & EPOLLET)) this.#ready.add(fd);
      const at = told * EVENT_LAYOUT.words;
      words[at] = mask;
      words[at + EVENT_LAYOUT.fd] = fd;
      words[at + EVENT_LAYOUT.generation] = watch.turn;
      told += 1;
    }
    return told;
  }
}
