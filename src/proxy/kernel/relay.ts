import { type Backoff, backoffMs } from '../../lib/backoff.ts';
import type { Timer } from '../../lib/timers/timer-heap.ts';
import type { EventLoop } from '../../libc/event-loop.ts';
import { EAGAIN, ENOBUFS, ENOMEM, type Libc, type Memory, SO_RCVLOWAT, SOL_SOCKET } from '../../libc/libc.ts';
import { type Pipe, PipePool } from './pipe-pool.ts';

/**
 * One side of a connection, and the direction of the bytes from there to the other side. Its timer ends the wait of a
 * coalesced read, and the pause of a direction for which the kernel had no memory.
 */
export abstract class Half implements Timer {
  dueAt = 0;
  heapIndex = -1;
  readonly fd: number;
  readonly isUnix: boolean;
  /** epoll has reported the socket readable or writable, and no call since has shown that it is not. */
  canRead = false;
  canWrite = false;
  /** A FIN or a reset has arrived. */
  hasHangup = false;
  isReset = false;
  /** Urgent data has arrived: a read ends at its position, and splice(2) does not get past it (tcp(7)). */
  hasUrgentData = false;
  /** The FIN or the reset has been read, so there is nothing more to read. */
  isReadClosed = false;
  /** Bytes in a buffer that are read and not yet written to the other side. */
  pendingWrite: PendingWrite | undefined = undefined;
  pipe: Pipe | undefined = undefined;
  bytesInPipe = 0;
  /** While copying: the number of consecutive reads that filled the buffer. While splicing: of small splices. */
  streak = 0;
  /** The stream is large enough to be spliced instead of copied. */
  isBulk = false;
  /** The bytes and the calls of splice(2) since the sustained stream was last judged or reset. */
  sustainedBytes = 0;
  sustainedSplices = 0;
  /** SO_RCVLOWAT is raised: epoll reports the socket readable only when COALESCE_BYTES have arrived. */
  isCoalescing = false;
  /** The bytes that were written to the other side. */
  movedBytes = 0;
  /** The kernel had no memory for a read or a write: nothing is moved until the timer is due. */
  isPaused = false;
  /** The pauses since the last byte was moved, and the value of `movedBytes` at the last one. */
  pauses = 0;
  movedBytesAtPause = 0;

  constructor(fd: number, isUnix: boolean) {
    this.fd = fd;
    this.isUnix = isUnix;
  }

  /** The wait or the pause is over. The implementation calls {@link Relay.endWait} and then pumps. */
  abstract onDue(): void;
}

interface PendingWrite {
  readonly memory: Memory;
  offset: number;
  readonly end: number;
}

/**
 * `waiting`: one of the sides is not ready, or the kernel has no memory. `unfinished`: MAX_BYTES_PER_TURN or
 * MAX_READS_PER_TURN are reached, and there is more. `ended`: all bytes are forwarded, and no more will arrive.
 * `from_failed`, `to_failed`: that side has failed with {@link Relay.errno}.
 */
export type PumpOutcome = 'waiting' | 'unfinished' | 'ended' | 'from_failed' | 'to_failed';
type PumpStep = PumpOutcome | 'going';

/** The size of a read. A read that does not fill the buffer has emptied a TCP socket, see {@link mayEndEarly}. */
const BUFFER_BYTES = 65_536;
/** Bytes are spliced after this many consecutive reads that filled the buffer. */
const MIN_FULL_READS = 2;
/** Bytes are copied again after MAX_SMALL_SPLICES consecutive splices of less than SMALL_SPLICE_BYTES. */
const SMALL_SPLICE_BYTES = 16_384;
const MAX_SMALL_SPLICES = 4;
/** The most bytes that one direction moves in a turn, and the most reads, so that other connections have theirs. */
const MAX_BYTES_PER_TURN = 1_048_576;
const MAX_READS_PER_TURN = 128;
/** The pauses after ENOMEM and ENOBUFS. The first one after a moved byte is the shortest again. */
const PAUSES: Backoff = { minMs: 10, maxMs: 500 };
/**
 * Coalesced reads, for bulk streams of a sender that paces. After COALESCE_AFTER_BYTES without falling back to copying, at
 * less than SMALL_AVERAGE_BYTES a splice, SO_RCVLOWAT is raised to COALESCE_BYTES. That trades latency for fewer wake-ups:
 * bytes that do not reach COALESCE_BYTES wait for up to COALESCE_TIMEOUT_MS. Such a time-out resets SO_RCVLOWAT, and the
 * stream has to qualify again.
 */
const COALESCE_AFTER_BYTES = 16_777_216;
const COALESCE_BYTES = 524_288;
const SMALL_AVERAGE_BYTES = 262_144;
const COALESCE_TIMEOUT_MS = 2;
/** The most buffers that are kept for later use, of those that held bytes which a socket did not accept. */
const MAX_SPARE_BUFFERS = 16;

/** Moves the bytes of all connections of a loop, through one shared buffer or through pipes. */
export class Relay {
  /** The errno of the last `from_failed` or `to_failed`. */
  errno = 0;
  readonly #libc: Libc;
  readonly #loop: EventLoop;
  readonly #coalesceAfterBytes: number;
  readonly #buffer: Memory;
  readonly #pipePool: PipePool;
  readonly #spareBuffers: Memory[] = [];

  constructor(libc: Libc, loop: EventLoop, coalesceAfterBytes = COALESCE_AFTER_BYTES) {
    this.#libc = libc;
    this.#loop = loop;
    this.#coalesceAfterBytes = coalesceAfterBytes;
    this.#buffer = libc.allocate(BUFFER_BYTES);
    this.#pipePool = new PipePool(libc, loop);
  }

  /** Moves the bytes from one side to the other that can be moved without waiting, within the limits of a turn. */
  pump(from: Half, to: Half): PumpOutcome {
    const movedBefore = from.movedBytes;
    let reads = 0;
    let step: PumpStep = from.isPaused ? 'waiting' : 'going';
    while (step === 'going') {
      if (from.bytesInPipe > 0 || from.pendingWrite) step = this.#flush(from, to);
      else if (from.isReadClosed) step = 'ended';
      else if (!from.canRead || !to.canWrite) step = 'waiting';
      else if (from.movedBytes - movedBefore >= MAX_BYTES_PER_TURN || reads >= MAX_READS_PER_TURN)
        step = 'unfinished';
      else {
        reads += 1;
        step = this.#read(from, to);
      }
    }
    if (from.pipe && from.bytesInPipe === 0) this.#returnPipe(from);
    return step;
  }

  /** Drops the bytes that were read and not written. */
  drop(from: Half): void {
    if (from.pipe) this.#pipePool.discard(from.pipe);
    if (from.pendingWrite) this.#recycle(from.pendingWrite.memory);
    from.pipe = undefined;
    from.pendingWrite = undefined;
    from.bytesInPipe = 0;
    from.isPaused = false;
    this.#loop.clearDeadline(from);
  }

  /** Ends the wait of a coalesced read, or a pause: the next pump tries to read and to write again. */
  endWait(from: Half): void {
    from.isPaused = false;
    from.canRead = true;
    this.#resetCoalescing(from);
  }

  /** Closes the idle pipes. */
  close(): void {
    this.#pipePool.close();
  }

  #read(from: Half, to: Half): PumpStep {
    if (from.hasUrgentData) this.#returnPipe(from);
    else if (from.isBulk) from.pipe ??= this.#pipePool.acquire();
    return from.pipe ? this.#spliceIn(from, from.pipe, to) : this.#copy(from, to);
  }

  #copy(from: Half, to: Half): PumpStep {
    const size = this.#libc.receive(from.fd, this.#buffer, BUFFER_BYTES);
    if (size <= 0) return this.#onNothingRead(from, size);
    if (size < BUFFER_BYTES) {
      from.canRead = mayEndEarly(from);
      // Everything before the end has been read, so no further read has to confirm the end.
      from.isReadClosed = from.hasHangup && !from.canRead;
      from.streak = 0;
    } else {
      from.streak += 1;
      if (from.streak >= MIN_FULL_READS) from.isBulk = true;
    }
    const isLast = from.isReadClosed && !from.isReset;
    const written = this.#libc.send(to.fd, this.#buffer, 0, size, isLast);
    if (written === size) {
      from.movedBytes += size;
      return 'going';
    }
    const step = this.#onShortWrite(from, to, written);
    if (step === 'waiting') this.#storePending(from, Math.max(0, written), size);
    return step;
  }

  #storePending(from: Half, written: number, size: number): void {
    const memory = this.#spareBuffers.pop() ?? this.#libc.allocate(BUFFER_BYTES);
    this.#buffer.bytes.copy(memory.bytes, written, written, size);
    from.pendingWrite = { memory, offset: written, end: size };
    from.movedBytes += written;
  }

  #spliceIn(from: Half, pipe: Pipe, to: Half): PumpStep {
    const size = this.#libc.splice(from.fd, pipe.writeFd, pipe.sizeBytes);
    // This is the end, or urgent data that epoll has not reported yet. A read tells which.
    if (size === 0) return this.#copy(from, to);
    if (size < 0) return this.#onNothingRead(from, size);
    from.bytesInPipe = size;
    from.streak = size < SMALL_SPLICE_BYTES ? from.streak + 1 : 0;
    from.sustainedBytes += size;
    from.sustainedSplices += 1;
    if (from.streak >= MAX_SMALL_SPLICES) {
      from.isBulk = false;
      from.streak = 0;
      this.#resetCoalescing(from);
    } else if (!from.isCoalescing && from.sustainedBytes >= this.#coalesceAfterBytes)
      this.#coalesceIfPaced(from);
    return 'going';
  }

  #coalesceIfPaced(from: Half): void {
    const isPaced = from.sustainedBytes < from.sustainedSplices * SMALL_AVERAGE_BYTES;
    from.sustainedBytes = 0;
    from.sustainedSplices = 0;
    if (from.isUnix || !isPaced) return;
    from.isCoalescing = true;
    this.#libc.setOption(from.fd, SOL_SOCKET, SO_RCVLOWAT, COALESCE_BYTES);
  }

  /** Lowers SO_RCVLOWAT to 1 again, so that epoll reports every byte, and starts the measurement anew. */
  #resetCoalescing(from: Half): void {
    from.sustainedBytes = 0;
    from.sustainedSplices = 0;
    if (!from.isCoalescing) return;
    from.isCoalescing = false;
    this.#loop.clearDeadline(from);
    this.#libc.setOption(from.fd, SOL_SOCKET, SO_RCVLOWAT, 1);
  }

  #onNothingRead(from: Half, result: number): PumpStep {
    if (result === -EAGAIN) {
      from.canRead = false;
      if (from.isCoalescing) this.#loop.setDeadline(from, this.#loop.now + COALESCE_TIMEOUT_MS);
      return 'waiting';
    }
    if (isOutOfMemory(result)) return this.#pause(from);
    from.isReadClosed = true;
    if (result === 0) return 'going';
    this.errno = -result;
    return 'from_failed';
  }

  #flush(from: Half, to: Half): PumpStep {
    if (!to.canWrite) return 'waiting';
    return from.pendingWrite ? this.#writePending(from, from.pendingWrite, to) : this.#spliceOut(from, to);
  }

  #writePending(from: Half, pendingWrite: PendingWrite, to: Half): PumpStep {
    const size = pendingWrite.end - pendingWrite.offset;
    const written = this.#libc.send(to.fd, pendingWrite.memory, pendingWrite.offset, size, false);
    from.movedBytes += Math.max(0, written);
    pendingWrite.offset += Math.max(0, written);
    if (written < size) return this.#onShortWrite(from, to, written);
    from.pendingWrite = undefined;
    this.#recycle(pendingWrite.memory);
    return 'going';
  }

  /** A short splice does not mean that the socket is full, so splicing goes on until EAGAIN. */
  #spliceOut(from: Half, to: Half): PumpStep {
    const written = from.pipe ? this.#libc.splice(from.pipe.readFd, to.fd, from.bytesInPipe) : 0;
    if (written < 0) return this.#onShortWrite(from, to, written);
    from.movedBytes += written;
    from.bytesInPipe -= written;
    return 'going';
  }

  /**
   * A socket that accepts only a part is full; epoll reports when it has room again.
   * @param result the number of bytes that were accepted, or a negative errno
   */
  #onShortWrite(from: Half, to: Half, result: number): PumpStep {
    if (isOutOfMemory(result)) return this.#pause(from);
    to.canWrite = false;
    if (result >= 0 || result === -EAGAIN) return 'waiting';
    this.errno = -result;
    return 'to_failed';
  }

  /** The kernel has no memory now. The bytes stay where they are, and no event reports when there is memory again. */
  #pause(from: Half): PumpStep {
    if (from.movedBytes !== from.movedBytesAtPause) from.pauses = 0;
    from.movedBytesAtPause = from.movedBytes;
    from.isPaused = true;
    this.#loop.setDeadline(from, this.#loop.now + backoffMs(PAUSES, from.pauses));
    from.pauses += 1;
    return 'waiting';
  }

  #returnPipe(from: Half): void {
    if (from.pipe) this.#pipePool.release(from.pipe);
    from.pipe = undefined;
  }

  #recycle(memory: Memory): void {
    if (this.#spareBuffers.length < MAX_SPARE_BUFFERS) this.#spareBuffers.push(memory);
    else this.#libc.release(memory);
  }
}

/**
 * True where a read may end before the socket is empty: at urgent data, and on a unix socket behind the bytes that a file
 * descriptor came with (unix(7): SCM_RIGHTS). recv(2) without room for it, and splice(2), close the descriptor.
 */
const mayEndEarly = ({ isUnix, hasUrgentData }: Half): boolean => isUnix || hasUrgentData;

const isOutOfMemory = (result: number): boolean => result === -ENOMEM || result === -ENOBUFS;
