import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';

const { writeFileSync, renameSync, rmSync, mkdirSync, chmodSync, rmdirSync } = fs;
/** The calls by which the code under test changes files. */
const ORIGINAL = { writeFileSync, renameSync, rmSync, mkdirSync, chmodSync, rmdirSync };

/** The end of a {@link SimulatedProcess}. */
export class KilledError extends Error {}

/** A part of this process that is killed as by SIGKILL: from one step on, nothing that it does has an effect on a file. */
export interface SimulatedProcess {
  /** The names of the steps that were taken, the one at which it was killed included. */
  readonly steps: readonly string[];
  isKilled(): boolean;
  /**
   * Takes a step that is no call of the file system.
   * @throws KilledError when the process is killed at this step, or was before
   */
  step(name: string): void;
  /** Gives the file system back to this process. */
  end(): void;
}

/**
 * Starts a simulated process. It is the only user of the file system until its `end`. Its steps are the calls of node:fs
 * that change something, each counted before it changes it; a write counts once more when half of the text is written.
 *
 * This finds what a real SIGKILL finds. Between two such calls a process changes nothing that outlives it, so a kill there
 * leaves the same files as a kill just before the second call. In the middle of a call the kernel makes the change or not
 * (rename(2), mkdir(2)), but for a write, which leaves a part of the text. What no process can simulate is that its own
 * handlers do not run: the tests that use this have a few real kills as well.
 * @param killAt the number of the step at which it is killed, counted from 1; 0: never
 */
export const startSimulatedProcess = (killAt = 0): SimulatedProcess => {
  const { writeFileSync: write, ...others } = ORIGINAL;
  const steps: string[] = [];
  let isKilled = false;
  const step = (name: string): void => {
    if (!isKilled) steps.push(name);
    if (steps.length === killAt) isKilled = true;
    if (isKilled) throw new KilledError(`killed at step ${steps.length}: ${steps.at(-1)}`);
  };
  Object.assign(fs, {
    writeFileSync: (path: string, text: string, options: fs.WriteFileOptions) => {
      step(`create ${basename(path)}`);
      write(path, text.slice(0, text.length / 2), options);
      step(`write ${basename(path)}`);
      write(path, text, options);
    },
    ...Object.fromEntries(
      Object.entries(others).map(([name, call]) => [
        name,
        (path: string, ...args: never[]) => {
          step(`${name} ${basename(path)}`);
          return (call as (path: string, ...args: never[]) => unknown)(path, ...args);
        },
      ]),
    ),
  });
  syncBuiltinESMExports();
  return {
    steps,
    isKilled: () => isKilled,
    step,
    end: () => {
      Object.assign(fs, ORIGINAL);
      syncBuiltinESMExports();
    },
  };
};
