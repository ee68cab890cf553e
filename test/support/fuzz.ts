import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import type { TestContext } from 'node:test';

/**
 * The parameters of fast-check for a test that finds more the longer it runs. They are printed, so that a failure can be
 * had again. STEADYPORT_FUZZ_RUNS and STEADYPORT_FUZZ_SEED replace them.
 * @param runs the number of scripts that a usual run of the tests tries
 */
export const fuzzParameters = (t: TestContext, runs: number) => {
  const numRuns = readInteger('STEADYPORT_FUZZ_RUNS') ?? runs;
  const seed = readInteger('STEADYPORT_FUZZ_SEED') ?? randomInt(2 ** 31);
  t.diagnostic(`STEADYPORT_FUZZ_RUNS=${numRuns} STEADYPORT_FUZZ_SEED=${seed}`);
  return { numRuns, seed, includeErrorInReport: true };
};

const readInteger = (variable: string): number | undefined => {
  const text = process.env[variable];
  if (text === undefined || text === '') return undefined;
  assert.match(text, /^-?\d+$/, `${variable} is ${JSON.stringify(text)}: expected an integer`);
  return Number(text);
};
