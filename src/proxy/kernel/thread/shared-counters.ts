import { errorName, errorNumber } from '../../../libc/errno.ts';
import type { EngineCounts } from '../../connection-stats.ts';

/** Places in the shared memory: 64-bit numbers. */
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

const FAILURES_OFFSET = 9;

/** errno(3) ends at 133; the place of 0 is for what is no error of the system's (ESELF). */
const MAX_ERRORS = 160;

/** 32-bit integers behind them, for what must be seen at once: commands that were sent, turns of the loop, the end. */
const FLAGS_OFFSET = (FAILURES_OFFSET + MAX_ERRORS) * 8;

const FLAG = { commands: 0, handled: 1, turns: 2, stop: 3, ended: 4 };

/** The memory that both threads see. */
export class SharedCounters {
  readonly buffer: SharedArrayBuffer;
  readonly #counters: Float64Array;
  readonly #flags: Int32Array;

  constructor(buffer = new SharedArrayBuffer(FLAGS_OFFSET + Object.keys(FLAG).length * 4)) {
    this.buffer = buffer;
    this.#counters = new Float64Array(buffer, 0, FAILURES_OFFSET + MAX_ERRORS);
    this.#flags = new Int32Array(buffer, FLAGS_OFFSET);
  }

  /** By the data path, after each turn. */
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

  /** @param reportedEnds the ends that this thread has been told of: a connection is active until then */
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

  /** Commands wait to be carried out. */
  get hasPendingCommands(): boolean {
    return this.sentCommands !== Atomics.load(this.#flags, FLAG.handled);
  }

  countCommand(): void {
    Atomics.add(this.#flags, FLAG.commands, 1);
  }

  /** By the data path: so many commands have been carried out. */
  setHandledCommands(handledCommands: number): void {
    Atomics.store(this.#flags, FLAG.handled, handledCommands);
    Atomics.notify(this.#flags, FLAG.handled);
  }

  /** Blocks this thread until the commands that were sent are carried out, but for `limitMs` at most. */
  waitForCommands(limitMs: number): void {
    const giveUpAt = performance.now() + limitMs;
    const sentCommands = this.sentCommands;
    for (let leftMs = limitMs; leftMs > 0; leftMs = giveUpAt - performance.now()) {
      const handledCommands = Atomics.load(this.#flags, FLAG.handled);
      if (handledCommands >= sentCommands || this.hasEnded) return;
      Atomics.wait(this.#flags, FLAG.handled, handledCommands, leftMs);
    }
  }

  get isStopped(): boolean {
    return Atomics.load(this.#flags, FLAG.stop) === 1;
  }

  stop(): void {
    Atomics.store(this.#flags, FLAG.stop, 1);
  }

  get hasEnded(): boolean {
    return Atomics.load(this.#flags, FLAG.ended) === 1;
  }

  setEnded(): void {
    Atomics.store(this.#flags, FLAG.ended, 1);
    Atomics.notify(this.#flags, FLAG.ended);
    Atomics.notify(this.#flags, FLAG.handled);
  }

  /** Blocks this thread. @returns whether the other one has left its loop within `limitMs` */
  waitForEnd(limitMs: number): boolean {
    return Atomics.wait(this.#flags, FLAG.ended, 0, limitMs) !== 'timed-out';
  }
}
