import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { writeSync } from 'node:fs';
import fc from 'fast-check';

/**
 * The parameters of fast-check for a test that finds more the longer it runs. STEADYPORT_FUZZ_RUNS and STEADYPORT_FUZZ_SEED
 * replace them, and STEADYPORT_FUZZ_PATH picks one value of the seed. They are printed before the first run, because a test
 * that is killed reports nothing.
 * @param runs the number of values that a usual run of the tests tries
 */
export const fuzzParameters = (runs: number) => {
  const path = process.env['STEADYPORT_FUZZ_PATH'] || undefined;
  const numRuns = readInteger('STEADYPORT_FUZZ_RUNS') ?? (path === undefined ? runs : 1);
  const seed = readInteger('STEADYPORT_FUZZ_SEED') ?? randomInt(2 ** 31);
  print(`STEADYPORT_FUZZ_RUNS=${numRuns} ${replayOf(seed, path)}`);
  return { numRuns, seed, ...(path === undefined ? {} : { path }), includeErrorInReport: true };
};

/**
 * Runs an attempt for each of many values, `atOnce` at a time. A failure is printed at once with its seed and path, and so
 * are the attempts that have not ended when the process is killed. A value that fails a second time, alone, is shrunk.
 */
export const fuzzAtOnce = async <T>(
  arbitrary: fc.Arbitrary<T>,
  runs: number,
  atOnce: number,
  attempt: (value: T) => Promise<void>,
): Promise<void> => {
  const parameters = fuzzParameters(runs);
  const values = generateValues(arbitrary, parameters);
  const running = new Set<string>();
  let failed: Generated<T> | undefined;
  let failure: unknown;
  const runOneByOne = async (): Promise<void> => {
    for (const generated of values) {
      const replay = replayOf(generated.seed, generated.path);
      running.add(replay);
      try {
        await attempt(generated.value);
      } catch (error) {
        print(`${replay} has failed: ${(error as Error).message}`);
        failed ??= generated;
        failure ??= error;
      }
      running.delete(replay);
      if (failed) return;
    }
  };
  const onKill = (signal: NodeJS.Signals): void => {
    for (const replay of running) print(`${replay} had not ended`);
    process.kill(process.pid, signal);
  };
  process.once('SIGTERM', onKill);
  await Promise.all(Array.from({ length: atOnce }, runOneByOne));
  process.off('SIGTERM', onKill);
  if (!failed) return;
  const { seed, path } = failed;
  await fc.assert(fc.asyncProperty(arbitrary, attempt), { ...SHRINKING, seed, path });
  throw new Error(`${replayOf(seed, path)} has failed once, and not again`, { cause: failure });
};

const SHRINKING = { numRuns: 1, includeErrorInReport: true, interruptAfterTimeLimit: 120_000 };

/** A value of fast-check, with what it was made from. */
interface Generated<T> {
  readonly seed: number;
  readonly path: string;
  readonly value: T;
}

/** Each batch has a seed of its own, so that a run with many values keeps few of them in memory. */
const BATCH = 1_000;

function* generateValues<T>(
  arbitrary: fc.Arbitrary<T>,
  { numRuns, seed, path }: ReturnType<typeof fuzzParameters>,
): Generator<Generated<T>, void> {
  if (path !== undefined) {
    const [value] = fc.sample(arbitrary, { seed, path, numRuns: 1 });
    for (let run = 0; run < numRuns; run += 1) yield { seed, path, value: value as T };
    return;
  }
  for (let first = 0; first < numRuns; first += BATCH) {
    const batchSeed = seed + first / BATCH;
    const batch = fc.sample(arbitrary, { seed: batchSeed, numRuns: Math.min(BATCH, numRuns - first) });
    for (const [index, value] of batch.entries()) yield { seed: batchSeed, path: String(index), value };
  }
}

const replayOf = (seed: number, path: string | undefined): string =>
  `STEADYPORT_FUZZ_SEED=${seed}${path === undefined ? '' : ` STEADYPORT_FUZZ_PATH=${path}`}`;

/** Writes to stdout without a delay: the process may be killed next. */
const print = (line: string): void => {
  writeSync(1, `${line}\n`);
};

const readInteger = (variable: string): number | undefined => {
  const text = process.env[variable];
  if (text === undefined || text === '') return undefined;
  assert.match(text, /^-?\d+$/, `${variable} is ${JSON.stringify(text)}: expected an integer`);
  return Number(text);
};
