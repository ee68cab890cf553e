import type { EventLoop } from '../../libc/event-loop.ts';
import type { Libc, Memory } from '../../libc/libc.ts';
import type { Timer } from '../../libc/timer-heap.ts';
import { readOpenFilesLimit } from '../../system/proc/procfs.ts';

/** What bytes are spliced through, from socket to socket, without a copy. */
export interface Pipe {
  readonly readFd: number;
  readonly writeFd: number;
  readonly sizeBytes: number;
}

/** The kernel's own limit for a user without privileges (/proc/sys/fs/pipe-max-size). */
const PIPE_BYTES = 1_048_576;
/** A smaller one, as it is given to who has used up pipe-user-pages-soft (pipe(7)), is worse than copying. */
const MIN_PIPE_BYTES = 65_536;
/** Half of what pipe-user-pages-soft allows a user by default: 16384 pages. */
const MAX_PIPES = 32;
/** One open file in so many may be an end of a pipe. */
const FILES_PER_PIPE = 64;
const IDLE_MS = 500;

/** The pipes of a loop: taken while bytes are in them, given back empty. */
export class PipePool implements Timer {
  dueAt = 0;
  heapIndex = -1;
  readonly #libc: Libc;
  readonly #loop: EventLoop;
  readonly #fdMemory: Memory;
  /** For whoever comes next. */
  #spare: Pipe | undefined;
  readonly #idle: Pipe[] = [];
  readonly #maxPipes = Math.min(MAX_PIPES, Math.ceil((readOpenFilesLimit() ?? 1_024) / FILES_PER_PIPE));
  #count = 0;
  /** No more are asked for until then: the kernel had none. */
  #retryAt = 0;

  constructor(libc: Libc, loop: EventLoop) {
    this.#libc = libc;
    this.#loop = loop;
    this.#fdMemory = libc.allocate(8);
    const first = this.acquire();
    if (first) this.release(first);
  }

  /** Undefined when there are enough, or no more to be had: then the bytes are copied. */
  acquire(): Pipe | undefined {
    const idle = this.#spare ?? this.#idle.pop();
    this.#spare = undefined;
    if (idle || this.#count >= this.#maxPipes || this.#loop.now < this.#retryAt) return idle;
    const created = this.#create();
    if (created) this.#count += 1;
    else this.#retryAt = this.#loop.now + IDLE_MS;
    return created;
  }

  /** @param pipe with nothing in it */
  release(pipe: Pipe): void {
    if (this.#spare === undefined) this.#spare = pipe;
    else {
      this.#idle.push(pipe);
      if (this.heapIndex < 0) this.#loop.setDeadline(this, this.#loop.now + IDLE_MS);
    }
  }

  /** With what is in it. */
  discard(pipe: Pipe): void {
    this.#count -= 1;
    this.#close(pipe);
  }

  onDue(): void {
    for (const pipe of this.#idle.splice(0)) this.discard(pipe);
  }

  close(): void {
    if (this.#spare) this.discard(this.#spare);
    this.#spare = undefined;
    this.onDue();
  }

  #create(): Pipe | undefined {
    if (this.#libc.pipe(this.#fdMemory) < 0) return undefined;
    const [readFd, writeFd] = [this.#fdMemory.bytes.readInt32LE(0), this.#fdMemory.bytes.readInt32LE(4)];
    const enlarged = this.#libc.setPipeSize(writeFd, PIPE_BYTES);
    const sizeBytes = enlarged > 0 ? enlarged : this.#libc.setPipeSize(writeFd, MIN_PIPE_BYTES);
    const pipe = { readFd, writeFd, sizeBytes };
    if (sizeBytes >= MIN_PIPE_BYTES) return pipe;
    this.#close(pipe);
    return undefined;
  }

  #close({ readFd, writeFd }: Pipe): void {
    this.#libc.close(readFd);
    this.#libc.close(writeFd);
  }
}
