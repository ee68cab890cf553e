import type { Loop } from '../../libc/event-loop.ts';
import { EAGAIN, type Libc, type Memory, SO_RCVLOWAT, SOL_SOCKET } from '../../libc/libc.ts';
import type { Timed } from '../../libc/timer-heap.ts';
import { type Pipe, Pipes } from './pipe-pool.ts';

/** One end of a connection, and the way from there to the other end. Its deadline is that of its patience. */
export abstract class End implements Timed {
  dueMs = 0;
  place = -1;
  readonly fd: number;
  readonly isUnix: boolean;
  /** What epoll has said, until a call says otherwise. */
  canRead = false;
  canWrite = false;
  /** FIN or a reset has come. */
  isHung = false;
  isReset = false;
  /** Urgent data has come: a read ends at its place, and splice(2) does not get past it (tcp(7)). */
  hasMark = false;
  /** Its FIN has been read, or its reset: nothing more is to be read. */
  hasEnded = false;
  /** Read, and not written to the other end yet. */
  rest: Rest | undefined = undefined;
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
  isPatient = false;
  /** Bytes that were written to the other end. */
  moved = 0;

  constructor(fd: number, isUnix: boolean) {
    this.fd = fd;
    this.isUnix = isUnix;
  }

  /** Not enough has come in time: what there is is to be moved, and {@link Relay.hurry} called before. */
  abstract onDue(): void;
}

interface Rest {
  readonly memory: Memory;
  at: number;
  readonly end: number;
}

/**
 * `waiting`: for one of both ends. `unfinished`: it has had its turn, and there is more. `ended`: everything was passed
 * on, and nothing more comes. `from_failed`, `to_failed`: that end was reset; {@link Relay.errno} says how.
 */
export type Outcome = 'waiting' | 'unfinished' | 'ended' | 'from_failed' | 'to_failed';
type Step = Outcome | 'going';

/** What is read at once; a read that does not fill it has taken everything. */
const BUFFER_BYTES = 65_536;
/** Reads that fill the buffer, until a pipe is used. */
const FULL_READS = 2;
/** Less than this through the pipe, so often in a row, and it is copied again. */
const CALM_BYTES = 16_384;
const CALM_SPLICES = 4;
/** Of one connection, until others have their turn. */
const BYTES_A_TURN = 1_048_576;
/**
 * A stream that never had to be waited for in so many bytes, and of which each look brings little, is looked at less often,
 * each time for more: it comes from a sender that paces, and costs less so. Its last bytes may then wait for so long; after
 * that it has to prove itself anew.
 */
const PATIENT_AFTER_BYTES = 16_777_216;
const PATIENT_BYTES = 524_288;
const LITTLE_BYTES = 262_144;
const PATIENCE_MS = 2;
/** Buffers of what could not be written at once are kept for the next time, but not more than this. */
const MOST_SPARE = 16;

/** Moves the bytes of all connections of a loop, through one buffer or through pipes. */
export class Relay {
  /** Of the last failure. */
  errno = 0;
  readonly #libc: Libc;
  readonly #loop: Loop;
  readonly #patientAfterBytes: number;
  readonly #buffer: Memory;
  readonly #pipes: Pipes;
  readonly #spare: Memory[] = [];

  constructor(libc: Libc, loop: Loop, patientAfterBytes = PATIENT_AFTER_BYTES) {
    this.#libc = libc;
    this.#loop = loop;
    this.#patientAfterBytes = patientAfterBytes;
    this.#buffer = libc.memory(BUFFER_BYTES);
    this.#pipes = new Pipes(libc, loop);
  }

  /** Moves what can be moved from one end to the other just now. */
  pump(from: End, to: End): Outcome {
    const before = from.moved;
    let step: Step = 'going';
    while (step === 'going') {
      if (from.bytesInPipe > 0 || from.rest) step = this.#flush(from, to);
      else if (from.hasEnded) step = 'ended';
      else if (!from.canRead || !to.canWrite) step = 'waiting';
      else if (from.moved - before >= BYTES_A_TURN) step = 'unfinished';
      else step = this.#read(from, to);
    }
    if (from.pipe && from.bytesInPipe === 0) this.#giveBack(from);
    return step;
  }

  /** Drops what was read and not written. */
  drop(from: End): void {
    if (from.pipe) this.#pipes.discard(from.pipe);
    if (from.rest) this.#spareOrRelease(from.rest.memory);
    from.pipe = undefined;
    from.rest = undefined;
    from.bytesInPipe = 0;
    this.#loop.clearDeadline(from);
  }

  /** Each byte is told of again. */
  hurry(from: End): void {
    from.sustainedBytes = 0;
    from.sustainedSplices = 0;
    if (!from.isPatient) return;
    from.isPatient = false;
    this.#loop.clearDeadline(from);
    this.#libc.setOption(from.fd, SOL_SOCKET, SO_RCVLOWAT, 1);
  }

  close(): void {
    this.#pipes.close();
  }

  #read(from: End, to: End): Step {
    if (from.hasMark) this.#giveBack(from);
    else if (from.isBulk) from.pipe ??= this.#pipes.take();
    return from.pipe ? this.#spliceIn(from, from.pipe, to) : this.#copy(from, to);
  }

  #copy(from: End, to: End): Step {
    const size = this.#libc.receive(from.fd, this.#buffer, BUFFER_BYTES);
    if (size <= 0) return this.#nothingRead(from, size);
    if (size < BUFFER_BYTES) {
      from.canRead = from.hasMark;
      // What came before the end has been read: nothing more can come, and nobody need be asked.
      from.hasEnded = from.isHung && !from.hasMark;
      from.streak = 0;
    } else {
      from.streak += 1;
      if (from.streak >= FULL_READS) from.isBulk = true;
    }
    const isLast = from.hasEnded && !from.isReset;
    const written = this.#libc.send(to.fd, this.#buffer, 0, size, isLast);
    if (written === size) {
      from.moved += size;
      return 'going';
    }
    const step = written < 0 ? this.#notWritten(to, written) : 'waiting';
    to.canWrite = false;
    if (step === 'waiting') this.#keep(from, Math.max(0, written), size);
    return step;
  }

  #keep(from: End, written: number, size: number): void {
    const memory = this.#spare.pop() ?? this.#libc.memory(BUFFER_BYTES);
    this.#buffer.bytes.copy(memory.bytes, written, written, size);
    from.rest = { memory, at: written, end: size };
    from.moved += written;
  }

  #spliceIn(from: End, pipe: Pipe, to: End): Step {
    const size = this.#libc.splice(from.fd, pipe.in, pipe.size);
    // The end, or the place of urgent data of which epoll has not told yet: a read knows.
    if (size === 0) return this.#copy(from, to);
    if (size < 0) return this.#nothingRead(from, size);
    from.bytesInPipe = size;
    from.streak = size < CALM_BYTES ? from.streak + 1 : 0;
    from.sustainedBytes += size;
    from.sustainedSplices += 1;
    if (from.streak >= CALM_SPLICES) {
      from.isBulk = false;
      from.streak = 0;
      this.hurry(from);
    } else if (!from.isPatient && from.sustainedBytes >= this.#patientAfterBytes) this.#bePatient(from);
    return 'going';
  }

  #bePatient(from: End): void {
    const bringsLittle = from.sustainedBytes < from.sustainedSplices * LITTLE_BYTES;
    from.sustainedBytes = 0;
    from.sustainedSplices = 0;
    if (from.isUnix || !bringsLittle) return;
    from.isPatient = true;
    this.#libc.setOption(from.fd, SOL_SOCKET, SO_RCVLOWAT, PATIENT_BYTES);
  }

  #nothingRead(from: End, result: number): Step {
    if (result === -EAGAIN) {
      from.canRead = false;
      if (from.isPatient) this.#loop.setDeadline(from, this.#loop.nowMs + PATIENCE_MS);
      return 'waiting';
    }
    from.hasEnded = true;
    if (result === 0) return 'going';
    this.errno = -result;
    return 'from_failed';
  }

  #flush(from: End, to: End): Step {
    if (!to.canWrite) return 'waiting';
    return from.rest ? this.#writeRest(from, from.rest, to) : this.#spliceOut(from, to);
  }

  /** A socket that takes a part is full; epoll tells when it no longer is. */
  #writeRest(from: End, rest: Rest, to: End): Step {
    const size = rest.end - rest.at;
    const written = this.#libc.send(to.fd, rest.memory, rest.at, size, false);
    if (written < size) to.canWrite = false;
    if (written < 0) return this.#notWritten(to, written);
    from.moved += written;
    rest.at += written;
    if (written < size) return 'waiting';
    from.rest = undefined;
    this.#spareOrRelease(rest.memory);
    return 'going';
  }

  /** Less than was asked for need not mean that the socket is full: it is asked again until it says so. */
  #spliceOut(from: End, to: End): Step {
    const written = from.pipe ? this.#libc.splice(from.pipe.out, to.fd, from.bytesInPipe) : 0;
    if (written < 0) return this.#notWritten(to, written);
    from.moved += written;
    from.bytesInPipe -= written;
    return 'going';
  }

  #notWritten(to: End, result: number): Step {
    to.canWrite = false;
    if (result === -EAGAIN) return 'waiting';
    this.errno = -result;
    return 'to_failed';
  }

  #giveBack(from: End): void {
    if (from.pipe) this.#pipes.give(from.pipe);
    from.pipe = undefined;
  }

  #spareOrRelease(memory: Memory): void {
    if (this.#spare.length < MOST_SPARE) this.#spare.push(memory);
    else this.#libc.release(memory);
  }
}
