import { errorName, errorNumber } from '../../../libc/errno.ts';
import type { EngineCounts } from '../../connection-stats.ts';

/** Places in the shared memory: 64-bit numbers. */
const CELL = {
  active: 0,
  total: 1,
  held: 2,
  waiting: 3,
  maxConnections: 4,
  toUpstream: 5,
  toClient: 6,
  ended: 7,
  failed: 8,
};

const FAILURES_AT = 9;

/** errno(3) ends at 133; the place of 0 is for what is no error of the system's (ESELF). */
const MOST_ERRORS = 160;

/** 32-bit integers behind them, for what must be seen at once: commands that were sent, turns of the loop, the end. */
const FLAGS_AT = (FAILURES_AT + MOST_ERRORS) * 8;

const FLAG = { commands: 0, handled: 1, turns: 2, stop: 3, ended: 4 };

/** The memory that both threads see. */
export class Cells {
  readonly buffer: SharedArrayBuffer;
  readonly #numbers: Float64Array;
  readonly #flags: Int32Array;

  constructor(buffer = new SharedArrayBuffer(FLAGS_AT + Object.keys(FLAG).length * 4)) {
    this.buffer = buffer;
    this.#numbers = new Float64Array(buffer, 0, FAILURES_AT + MOST_ERRORS);
    this.#flags = new Int32Array(buffer, FLAGS_AT);
  }

  /** By the data path, after each turn. */
  publish(counts: Omit<EngineCounts, 'bytesToUpstream' | 'bytesToClient' | 'dialFailures'>): void {
    const numbers = this.#numbers;
    numbers[CELL.active] = counts.active;
    numbers[CELL.total] = counts.total;
    numbers[CELL.held] = counts.held;
    numbers[CELL.waiting] = counts.waiting;
    numbers[CELL.maxConnections] = counts.maxConnections;
    Atomics.add(this.#flags, FLAG.turns, 1);
  }

  addBytes(isToUpstream: boolean, bytes: number): void {
    const cell = isToUpstream ? CELL.toUpstream : CELL.toClient;
    this.#numbers[cell] = (this.#numbers[cell] ?? 0) + bytes;
  }

  countEnd(): void {
    this.#numbers[CELL.ended] = (this.#numbers[CELL.ended] ?? 0) + 1;
  }

  addFailure(code: string): void {
    const cell = FAILURES_AT + errorNumber(code);
    this.#numbers[cell] = (this.#numbers[cell] ?? 0) + 1;
    this.#numbers[CELL.failed] = (this.#numbers[CELL.failed] ?? 0) + 1;
  }

  /** @param told the ends that this thread has been told of: a connection is active until then */
  counts(told: number): EngineCounts {
    const of = (cell: number): number => this.#numbers[cell] ?? 0;
    return {
      active: of(CELL.active) + of(CELL.ended) - told,
      total: of(CELL.total),
      held: of(CELL.held),
      waiting: of(CELL.waiting),
      maxConnections: of(CELL.maxConnections),
      bytesToUpstream: of(CELL.toUpstream),
      bytesToClient: of(CELL.toClient),
      dialFailures: this.#failures(),
    };
  }

  #failures(): Record<string, number> {
    const failures: Record<string, number> = {};
    if (this.#numbers[CELL.failed] === 0) return failures;
    for (let number = 0; number < MOST_ERRORS; number += 1) {
      const count = this.#numbers[FAILURES_AT + number] ?? 0;
      if (count > 0) failures[number === 0 ? 'ESELF' : errorName(number)] = count;
    }
    return failures;
  }

  get turns(): number {
    return Atomics.load(this.#flags, FLAG.turns);
  }

  get commands(): number {
    return Atomics.load(this.#flags, FLAG.commands);
  }

  /** Commands wait to be carried out. */
  get isBehind(): boolean {
    return this.commands !== Atomics.load(this.#flags, FLAG.handled);
  }

  countCommand(): void {
    Atomics.add(this.#flags, FLAG.commands, 1);
  }

  /** By the data path: so many commands have been carried out. */
  setHandled(commands: number): void {
    Atomics.store(this.#flags, FLAG.handled, commands);
    Atomics.notify(this.#flags, FLAG.handled);
  }

  /** Blocks this thread until the commands that were sent are carried out, but for `limitMs` at most. */
  waitForCommands(limitMs: number): void {
    const giveUpAt = performance.now() + limitMs;
    const sent = this.commands;
    for (let leftMs = limitMs; leftMs > 0; leftMs = giveUpAt - performance.now()) {
      const handled = Atomics.load(this.#flags, FLAG.handled);
      if (handled >= sent || this.hasEnded) return;
      Atomics.wait(this.#flags, FLAG.handled, handled, leftMs);
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
