import type { EventLoop } from '../../libc/event-loop.ts';
import { EAGAIN, type Libc, type Memory, SO_RCVLOWAT, SOL_SOCKET } from '../../libc/libc.ts';
import type { Timer } from '../../libc/timer-heap.ts';
import { type Pipe, PipePool } from './pipe-pool.ts';

/** One end of a connection, and the way from there to the other end. Its deadline is that of its patience. */
export abstract class Half implements Timer {
  dueAt = 0;
  heapIndex = -1;
  readonly fd: number;
  readonly isUnix: boolean;
  /** What epoll has said, until a call says otherwise. */
  canRead = false;
  canWrite = false;
  /** FIN or a reset has come. */
  hasHangup = false;
  isReset = false;
  /** Urgent data has come: a read ends at its place, and splice(2) does not get past it (tcp(7)). */
  hasUrgentData = false;
  /** Its FIN has been read, or its reset: nothing more is to be read. */
  isReadClosed = false;
  /** Read, and not written to the other end yet. */
  pendingWrite: PendingWrite | undefined = undefined;
  pipe: Pipe | undefined = undefined;
  bytesInPipe = 0;
  /** How often in a row the buffer was filled, or hardly anything came through the pipe. */
  streak = 0;
  /** So much comes that it is spliced, not copied. */
  isBulk = false;
  /** What was spliced since it last had to be waited for, and in how many calls. */
  sustainedBytes = 0;
  sustainedSplices = 0;
  /** epoll tells of it only when much has come. */
  isCoalescing = false;
  /** Bytes that were written to the other end. */
  movedBytes = 0;

  constructor(fd: number, isUnix: boolean) {
    this.fd = fd;
    this.isUnix = isUnix;
  }

  /** Not enough has come in time: what there is is to be moved, and {@link Relay.resetCoalescing} called before. */
  abstract onDue(): void;
}

interface PendingWrite {
  readonly memory: Memory;
  offset: number;
  readonly end: number;
}

/**
 * `waiting`: for one of both ends. `unfinished`: it has had its turn, and there is more. `ended`: everything was passed
 * on, and nothing more comes. `from_failed`, `to_failed`: that end was reset; {@link Relay.errno} says how.
 */
export type PumpOutcome = 'waiting' | 'unfinished' | 'ended' | 'from_failed' | 'to_failed';
type PumpStep = PumpOutcome | 'going';

/** What is read at once; a read that does not fill it has taken everything. */
const BUFFER_BYTES = 65_536;
/** Reads that fill the buffer, until a pipe is used. */
const MIN_FULL_READS = 2;
/** Less than this through the pipe, so often in a row, and it is copied again. */
const SMALL_SPLICE_BYTES = 16_384;
const MAX_SMALL_SPLICES = 4;
/** Of one connection, until others have their turn. */
const MAX_BYTES_PER_TURN = 1_048_576;
/**
 * A stream that never had to be waited for in so many bytes, and of which each look brings little, is looked at less often,
 * each time for more: it comes from a sender that paces, and costs less so. Its last bytes may then wait for so long; after
 * that it has to prove itself anew.
 */
const COALESCE_AFTER_BYTES = 16_777_216;
const COALESCE_BYTES = 524_288;
const SMALL_AVERAGE_BYTES = 262_144;
const COALESCE_TIMEOUT_MS = 2;
/** Buffers of what could not be written at once are kept for the next time, but not more than this. */
const MAX_SPARE_BUFFERS = 16;

/** Moves the bytes of all connections of a loop, through one buffer or through pipes. */
export class Relay {
  /** Of the last failure. */
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

  /** Moves what can be moved from one end to the other just now. */
  pump(from: Half, to: Half): PumpOutcome {
    const movedBefore = from.movedBytes;
    let step: PumpStep = 'going';
    while (step === 'going') {
      if (from.bytesInPipe > 0 || from.pendingWrite) step = this.#flush(from, to);
      else if (from.isReadClosed) step = 'ended';
      else if (!from.canRead || !to.canWrite) step = 'waiting';
      else if (from.movedBytes - movedBefore >= MAX_BYTES_PER_TURN) step = 'unfinished';
      else step = this.#read(from, to);
    }
    if (from.pipe && from.bytesInPipe === 0) this.#returnPipe(from);
    return step;
  }

  /** Drops what was read and not written. */
  drop(from: Half): void {
    if (from.pipe) this.#pipePool.discard(from.pipe);
    if (from.pendingWrite) this.#recycle(from.pendingWrite.memory);
    from.pipe = undefined;
    from.pendingWrite = undefined;
    from.bytesInPipe = 0;
    this.#loop.clearDeadline(from);
  }

  /** Each byte is told of again. */
  resetCoalescing(from: Half): void {
    from.sustainedBytes = 0;
    from.sustainedSplices = 0;
    if (!from.isCoalescing) return;
    from.isCoalescing = false;
    this.#loop.clearDeadline(from);
    this.#libc.setOption(from.fd, SOL_SOCKET, SO_RCVLOWAT, 1);
  }

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
      from.canRead = from.hasUrgentData;
      // What came before the end has been read: nothing more can come, and nobody need be asked.
      from.isReadClosed = from.hasHangup && !from.hasUrgentData;
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
    const step = written < 0 ? this.#onNothingWritten(to, written) : 'waiting';
    to.canWrite = false;
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
    // The end, or the place of urgent data of which epoll has not told yet: a read knows.
    if (size === 0) return this.#copy(from, to);
    if (size < 0) return this.#onNothingRead(from, size);
    from.bytesInPipe = size;
    from.streak = size < SMALL_SPLICE_BYTES ? from.streak + 1 : 0;
    from.sustainedBytes += size;
    from.sustainedSplices += 1;
    if (from.streak >= MAX_SMALL_SPLICES) {
      from.isBulk = false;
      from.streak = 0;
      this.resetCoalescing(from);
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

  #onNothingRead(from: Half, result: number): PumpStep {
    if (result === -EAGAIN) {
      from.canRead = false;
      if (from.isCoalescing) this.#loop.setDeadline(from, this.#loop.now + COALESCE_TIMEOUT_MS);
      return 'waiting';
    }
    from.isReadClosed = true;
    if (result === 0) return 'going';
    this.errno = -result;
    return 'from_failed';
  }

  #flush(from: Half, to: Half): PumpStep {
    if (!to.canWrite) return 'waiting';
    return from.pendingWrite ? this.#writePending(from, from.pendingWrite, to) : this.#spliceOut(from, to);
  }

  /** A socket that takes a part is full; epoll tells when it no longer is. */
  #writePending(from: Half, pendingWrite: PendingWrite, to: Half): PumpStep {
    const size = pendingWrite.end - pendingWrite.offset;
    const written = this.#libc.send(to.fd, pendingWrite.memory, pendingWrite.offset, size, false);
    if (written < size) to.canWrite = false;
    if (written < 0) return this.#onNothingWritten(to, written);
    from.movedBytes += written;
    pendingWrite.offset += written;
    if (written < size) return 'waiting';
    from.pendingWrite = undefined;
    this.#recycle(pendingWrite.memory);
    return 'going';
  }

  /** Less than was asked for need not mean that the socket is full: it is asked again until it says so. */
  #spliceOut(from: Half, to: Half): PumpStep {
    const written = from.pipe ? this.#libc.splice(from.pipe.readFd, to.fd, from.bytesInPipe) : 0;
    if (written < 0) return this.#onNothingWritten(to, written);
    from.movedBytes += written;
    from.bytesInPipe -= written;
    return 'going';
  }

  #onNothingWritten(to: Half, result: number): PumpStep {
    to.canWrite = false;
    if (result === -EAGAIN) return 'waiting';
    this.errno = -result;
    return 'to_failed';
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
