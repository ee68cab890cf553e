import type { Loop } from '../../libc/event-loop.ts';
import type { Libc, Memory } from '../../libc/libc.ts';
import type { Timed } from '../../libc/timer-heap.ts';
import { openFilesLimit } from '../../system/proc/procfs.ts';

/** What bytes are spliced through, from socket to socket, without a copy. */
export interface Pipe {
  readonly out: number;
  readonly in: number;
  readonly size: number;
}

/** The kernel's own limit for a user without privileges (/proc/sys/fs/pipe-max-size). */
const PIPE_BYTES = 1_048_576;
/** A smaller one, as it is given to who has used up pipe-user-pages-soft (pipe(7)), is worse than copying. */
const LEAST_BYTES = 65_536;
/** Half of what pipe-user-pages-soft allows a user by default: 16384 pages. */
const MOST_PIPES = 32;
/** One open file in so many may be an end of a pipe. */
const FILES_FOR_EACH = 64;
const IDLE_MS = 500;

/** The pipes of a loop: taken while bytes are in them, given back empty. */
export class Pipes implements Timed {
  dueMs = 0;
  place = -1;
  readonly #libc: Libc;
  readonly #loop: Loop;
  readonly #ends: Memory;
  /** For whoever comes next. */
  #kept: Pipe | undefined;
  readonly #idle: Pipe[] = [];
  readonly #most = Math.min(MOST_PIPES, Math.ceil((openFilesLimit() ?? 1_024) / FILES_FOR_EACH));
  #count = 0;
  /** No more are asked for until then: the kernel had none. */
  #againAtMs = 0;

  constructor(libc: Libc, loop: Loop) {
    this.#libc = libc;
    this.#loop = loop;
    this.#ends = libc.memory(8);
    const first = this.take();
    if (first) this.give(first);
  }

  /** Undefined when there are enough, or no more to be had: then the bytes are copied. */
  take(): Pipe | undefined {
    const idle = this.#kept ?? this.#idle.pop();
    this.#kept = undefined;
    if (idle || this.#count >= this.#most || this.#loop.nowMs < this.#againAtMs) return idle;
    const made = this.#make();
    if (made) this.#count += 1;
    else this.#againAtMs = this.#loop.nowMs + IDLE_MS;
    return made;
  }

  /** @param pipe with nothing in it */
  give(pipe: Pipe): void {
    if (this.#kept === undefined) this.#kept = pipe;
    else {
      this.#idle.push(pipe);
      if (this.place < 0) this.#loop.setDeadline(this, this.#loop.nowMs + IDLE_MS);
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
    if (this.#kept) this.discard(this.#kept);
    this.#kept = undefined;
    this.onDue();
  }

  #make(): Pipe | undefined {
    if (this.#libc.pipe(this.#ends) < 0) return undefined;
    const [out, end] = [this.#ends.bytes.readInt32LE(0), this.#ends.bytes.readInt32LE(4)];
    const enlarged = this.#libc.setPipeSize(end, PIPE_BYTES);
    const size = enlarged > 0 ? enlarged : this.#libc.setPipeSize(end, LEAST_BYTES);
    const pipe = { out, in: end, size };
    if (size >= LEAST_BYTES) return pipe;
    this.#close(pipe);
    return undefined;
  }

  #close({ out, in: end }: Pipe): void {
    this.#libc.close(out);
    this.#libc.close(end);
  }
}
