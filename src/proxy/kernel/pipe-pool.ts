import type { Timer } from '../../lib/timers/timer-heap.ts';
import type { EventLoop } from '../../libc/event-loop.ts';
import type { Libc, Memory } from '../../libc/libc.ts';
import { readOpenFilesLimit } from '../../system/proc/procfs.ts';

/** A pipe through which bytes are spliced from socket to socket, without a copy. */
export interface Pipe {
  readonly readFd: number;
  readonly writeFd: number;
  readonly sizeBytes: number;
}

/** The size of a pipe: the kernel's default limit for a user without privileges (/proc/sys/fs/pipe-max-size). */
const PIPE_BYTES = 1_048_576;
/**
 * A smaller pipe is slower than copying. The kernel gives one to a user who has used up pipe-user-pages-soft (pipe(7)).
 */
const MIN_PIPE_BYTES = 65_536;
/** Half of what pipe-user-pages-soft allows a user by default, 16384 pages. */
const MAX_PIPES = 32;
/** There may be one pipe for each FILES_PER_PIPE files that the limit of open files allows. */
const FILES_PER_PIPE = 64;
/** Idle pipes are closed after this time; after a failure no pipe is asked for during it. */
const IDLE_MS = 500;

/** The pipes of a loop. A direction of a connection holds one while bytes are in it, and releases it empty. */
export class PipePool implements Timer {
  dueAt = 0;
  heapIndex = -1;
  readonly #libc: Libc;
  readonly #loop: EventLoop;
  readonly #fdMemory: Memory;
  /** The pipe that is used next; it stays open when the others are closed for idleness. */
  #spare: Pipe | undefined;
  readonly #idle: Pipe[] = [];
  readonly #maxPipes = Math.min(MAX_PIPES, Math.ceil((readOpenFilesLimit() ?? 1_024) / FILES_PER_PIPE));
  #count = 0;
  /** No pipe is created before this instant, because the kernel refused the last one. */
  #retryAt = 0;

  constructor(libc: Libc, loop: EventLoop) {
    this.#libc = libc;
    this.#loop = loop;
    this.#fdMemory = libc.allocate(8);
    const first = this.acquire();
    if (first) this.release(first);
  }

  /** @returns undefined when the bound is reached or the kernel refuses a pipe; the bytes are copied then */
  acquire(): Pipe | undefined {
    const idle = this.#spare ?? this.#idle.pop();
    this.#spare = undefined;
    if (idle || this.#count >= this.#maxPipes || this.#loop.now < this.#retryAt) return idle;
    const created = this.#create();
    if (created) this.#count += 1;
    else this.#retryAt = this.#loop.now + IDLE_MS;
    return created;
  }

  /** @param pipe an empty one */
  release(pipe: Pipe): void {
    if (this.#spare === undefined) this.#spare = pipe;
    else {
      this.#idle.push(pipe);
      if (this.heapIndex < 0) this.#loop.setDeadline(this, this.#loop.now + IDLE_MS);
    }
  }

  /** Closes a pipe, together with the bytes in it. */
  discard(pipe: Pipe): void {
    this.#count -= 1;
    this.#close(pipe);
  }

  onDue(): void {
    for (const pipe of this.#idle.splice(0)) this.discard(pipe);
  }

  /** Closes the pipes that no direction holds. */
  close(): void {
    if (this.#spare) this.discard(this.#spare);
    this.#spare = undefined;
    this.onDue();
  }

  #create(): Pipe | undefined {
    if (this.#libc.pipe(this.#fdMemory) < 0) return undefined;
    const readFd = this.#fdMemory.bytes.readInt32LE(0);
    const writeFd = this.#fdMemory.bytes.readInt32LE(4);
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
