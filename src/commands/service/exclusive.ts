import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDebug } from '../../system/debug.ts';
import { findLockHolder, takeLock } from '../../system/lock.ts';
import { warn } from '../terminal.ts';

/** Longer than a start takes whose PM2 command is killed at its time limit (pm2/client.ts). */
const MAX_WAIT_MS = 150_000;
const RETRY_INTERVAL_MS = 100;

const debug = createDebug('pm2');

/**
 * Runs a command that changes what PM2 runs, while no other one does with the same PM2_HOME: two that find no PM2 daemon would
 * each launch one. It waits for the other for MAX_WAIT_MS, and says so. A folder that does not exist has nothing to exclude,
 * and one that cannot be written to, as on a full disk, must not keep anybody from stopping. A hangup does not end it, and Ctrl-C only the second time.
 * @returns the exit code of `run`, or 1 when the other command does not end in time
 */
export const runExclusively = async (pm2Home: string, run: () => Promise<number>): Promise<number> => {
  const path = join(pm2Home, 'steadyport.lock');
  const release = existsSync(pm2Home) ? await waitForLock(path) : NOTHING_TO_RELEASE;
  if (release === undefined) return 1;
  const endByDefault = holdSignals();
  try {
    return await run();
  } finally {
    endByDefault();
    release();
  }
};

/** A signal that comes sooner is the same Ctrl-C: the terminal sends it to each process, and npm passes it on. */
const REPEAT_AFTER_MS = 1_000;

/**
 * Lets the command end what it has begun: an app that is taken out must come back. The terminal may be gone since its connection
 * goes through the very port that is replaced. Who presses Ctrl-C a second time means it.
 * @returns a function that leaves signals to the system again
 */
const holdSignals = (): (() => void) => {
  let firstAt: number | undefined;
  const onHangup = (): void => {};
  const onSignal = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (firstAt === undefined) warn('ends what it has begun; the same signal again ends it at once');
    firstAt ??= now;
    if (now - firstAt <= REPEAT_AFTER_MS) return;
    release();
    process.kill(process.pid, signal);
  };
  const release = (): void => {
    process.off('SIGHUP', onHangup);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal);
  };
  process.on('SIGHUP', onHangup);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
  return release;
};

const NOTHING_TO_RELEASE = (): void => {};

/** @returns the function that releases it; undefined when it could not be had in time, which is printed */
const waitForLock = async (path: string): Promise<(() => void) | undefined> => {
  const startedAt = performance.now();
  for (let isTold = false; ; isTold = true) {
    const release = tryLock(path);
    if (release !== undefined) return release;
    const other = `another start, stop or uninstall (pid ${findLockHolder(path) ?? 'unknown'})`;
    if (performance.now() - startedAt > MAX_WAIT_MS) {
      warn(
        `${other} still works on the same PM2_HOME, and nothing was done; if it hangs, end it, or remove ${path}`,
      );
      return undefined;
    }
    if (!isTold) warn(`waits for ${other} on the same PM2_HOME`);
    await sleep(RETRY_INTERVAL_MS);
  }
};

const tryLock = (path: string): (() => void) | undefined => {
  try {
    return takeLock(path);
  } catch (error) {
    debug('%s: goes on without the lock: %s', path, (error as Error).message);
    return NOTHING_TO_RELEASE;
  }
};
