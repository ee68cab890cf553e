import { errorName, errorNumber } from '../../../libc/errno.ts';
import type { EngineCounts } from '../../report.ts';

/** The indexes of the 64-bit numbers at the start of the shared memory. */
const COUNTER = {
  active: 0,
  total: 1,
  waitingForUpstream: 2,
  waitingForSlot: 3,
  maxConnections: 4,
  bytesToUpstream: 5,
  bytesToClient: 6,
  ended: 7,
  failed: 8,
};

/** The failures of each errno follow, at FAILURES_OFFSET + errno. */
const FAILURES_OFFSET = 9;

/** The largest errno(3) is 133. Index 0 counts the code that is not an error of the system, ESELF. */
const MAX_ERRORS = 160;

/** 32-bit integers follow, for atomic access: sent and handled commands, turns of the loop, and flags. */
const FLAGS_OFFSET = (FAILURES_OFFSET + MAX_ERRORS) * 8;

const FLAG = { commands: 0, handled: 1, turns: 2, stop: 3, stoppedListening: 4, ended: 5 };

/** Counters and flags in memory that the main thread and the data path share. */
export class SharedCounters {
  readonly buffer: SharedArrayBuffer;
  readonly #counters: Float64Array;
  readonly #flags: Int32Array;

  constructor(buffer = new SharedArrayBuffer(FLAGS_OFFSET + Object.keys(FLAG).length * 4)) {
    this.buffer = buffer;
    this.#counters = new Float64Array(buffer, 0, FAILURES_OFFSET + MAX_ERRORS);
    this.#flags = new Int32Array(buffer, FLAGS_OFFSET);
  }

  /** Called by the data path after each turn. */
  publish(counts: Omit<EngineCounts, 'bytesToUpstream' | 'bytesToClient' | 'connectFailures'>): void {
    const counters = this.#counters;
    counters[COUNTER.active] = counts.active;
    counters[COUNTER.total] = counts.total;
    counters[COUNTER.waitingForUpstream] = counts.waitingForUpstream;
    counters[COUNTER.waitingForSlot] = counts.waitingForSlot;
    counters[COUNTER.maxConnections] = counts.maxConnections;
    Atomics.add(this.#flags, FLAG.turns, 1);
  }

  addBytes(isToUpstream: boolean, bytes: number): void {
    const index = isToUpstream ? COUNTER.bytesToUpstream : COUNTER.bytesToClient;
    this.#counters[index] = (this.#counters[index] ?? 0) + bytes;
  }

  countEnded(): void {
    this.#counters[COUNTER.ended] = (this.#counters[COUNTER.ended] ?? 0) + 1;
  }

  addFailure(code: string): void {
    const index = FAILURES_OFFSET + errorNumber(code);
    this.#counters[index] = (this.#counters[index] ?? 0) + 1;
    this.#counters[COUNTER.failed] = (this.#counters[COUNTER.failed] ?? 0) + 1;
  }

  /**
   * The counts as the main thread sees them: a connection is active until its record has arrived.
   * @param reportedEnds the number of records that have arrived
   */
  counts(reportedEnds: number): EngineCounts {
    const read = (index: number): number => this.#counters[index] ?? 0;
    return {
      active: read(COUNTER.active) + read(COUNTER.ended) - reportedEnds,
      total: read(COUNTER.total),
      waitingForUpstream: read(COUNTER.waitingForUpstream),
      waitingForSlot: read(COUNTER.waitingForSlot),
      maxConnections: read(COUNTER.maxConnections),
      bytesToUpstream: read(COUNTER.bytesToUpstream),
      bytesToClient: read(COUNTER.bytesToClient),
      connectFailures: this.#failures(),
    };
  }

  #failures(): Record<string, number> {
    const failures: Record<string, number> = {};
    if (this.#counters[COUNTER.failed] === 0) return failures;
    for (let errno = 0; errno < MAX_ERRORS; errno += 1) {
      const count = this.#counters[FAILURES_OFFSET + errno] ?? 0;
      if (count > 0) failures[errno === 0 ? 'ESELF' : errorName(errno)] = count;
    }
    return failures;
  }

  get turns(): number {
    return Atomics.load(this.#flags, FLAG.turns);
  }

  get sentCommands(): number {
    return Atomics.load(this.#flags, FLAG.commands);
  }

  /** True when a command was sent that is not carried out yet. */
  get hasPendingCommands(): boolean {
    return this.sentCommands !== Atomics.load(this.#flags, FLAG.handled);
  }

  countCommand(): void {
    Atomics.add(this.#flags, FLAG.commands, 1);
  }

  /** Called by the data path with the number of commands that it has carried out. */
  setHandledCommands(handledCommands: number): void {
    Atomics.store(this.#flags, FLAG.handled, handledCommands);
  }

  /** Called by the data path when a drain has closed its listeners. */
  setStoppedListening(): void {
    this.#raise(FLAG.stoppedListening);
  }

  /** Blocks the calling thread. @returns whether a drain has closed the listeners, or the thread has ended, within `limitMs` */
  waitForStoppedListening(limitMs: number): boolean {
    return Atomics.wait(this.#flags, FLAG.stoppedListening, 0, limitMs) !== 'timed-out';
  }

  get isStopped(): boolean {
    return Atomics.load(this.#flags, FLAG.stop) === 1;
  }

  stop(): void {
    Atomics.store(this.#flags, FLAG.stop, 1);
  }

  setEnded(): void {
    this.#raise(FLAG.ended);
    this.#raise(FLAG.stoppedListening);
  }

  /** Blocks the calling thread. @returns whether the data path has left its loop within `limitMs` */
  waitForEnd(limitMs: number): boolean {
    return Atomics.wait(this.#flags, FLAG.ended, 0, limitMs) !== 'timed-out';
  }

  #raise(flag: number): void {
    Atomics.store(this.#flags, flag, 1);
    Atomics.notify(this.#flags, flag);
  }
}
