import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { takeResults, watchForFailure } from './reporter.js';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** How long a process that is to end may take to clean up. */
const KILL_AFTER_MS = 10_000;

/** For how long the output of a process is read that has ended. */
const PIPES_MS = 2_000;

/** The processes of tests that run. Each leads a group of its own, with the processes that its tests have started. */
const running = new Set();

/** Ends the processes of the tests, which then remove what they have made. */
export const stopAll = () => {
  for (const child of running) signalGroup(child, 'SIGTERM');
};

const signalGroup = ({ pid }, signal) => {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // ESRCH: all of them have ended.
    if (error.code !== 'ESRCH') throw error;
  }
};

/**
 * Runs test files in one process.
 * @param files compiled test files
 * @param pattern only the tests whose name matches; undefined for all
 * @param limitMs a process that has not ended by then hangs: it is killed, and that is its failure
 * @param stopsAtFailure ends the process soon after its first failed test
 * @returns seconds; the result of each test; what the process wrote; and `problem`, undefined or why the process failed
 *   although no test did
 */
export const runProcess = async (files, { pattern, limitMs, stopsAtFailure = false }) => {
  const startedAt = performance.now();
  const args = [
    `--test-reporter=${here('reporter.js')}`,
    ...(pattern === undefined ? [] : [`--test-name-pattern=${pattern}`]),
    ...(files.length === 1 ? [] : [here('batch.js')]),
    ...files,
  ];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  running.add(child);
  const chunks = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk));
  let stopReason = null;
  let killTimer;
  const stop = (reason) => {
    if (stopReason !== null) return;
    stopReason = reason;
    signalGroup(child, 'SIGTERM');
    killTimer = setTimeout(() => signalGroup(child, 'SIGKILL'), KILL_AFTER_MS);
  };
  const limit = setTimeout(() => stop('late'), limitMs);
  const endWatch = stopsAtFailure ? watchForFailure(child.pid, () => stop('failure')) : () => {};
  const end = await waitForEnd(child);
  clearTimeout(limit);
  clearTimeout(killTimer);
  endWatch();
  running.delete(child);
  // What its tests have started, and have not ended.
  signalGroup(child, 'SIGKILL');

  const { results, areComplete } = takeResults(child.pid);
  const hasFailed = results.some(({ outcome }) => outcome === 'failed');
  return {
    seconds: (performance.now() - startedAt) / 1_000,
    results,
    output: Buffer.concat(chunks).toString(),
    problem: problemOf({
      ...end,
      lateAfterMs: stopReason === 'late' ? limitMs : null,
      hasFailed,
      areComplete,
    }),
  };
};

/** Waits for the end of the output too, but not long: a process that a test has left behind would keep the pipes open. */
const waitForEnd = (child) =>
  new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code, signal) => done({ code, signal }));
    child.on('exit', () => {
      const closePipes = () => {
        child.stdout.destroy();
        child.stderr.destroy();
      };
      setTimeout(closePipes, PIPES_MS).unref();
    });
  });

const problemOf = ({ code, signal, lateAfterMs, hasFailed, areComplete }) => {
  if (lateAfterMs !== null) return `it had not ended after ${lateAfterMs / 1_000} s`;
  if (signal !== null) return `it was ended by ${signal}`;
  if (code !== 0 && !hasFailed) return `it ended with code ${code}`;
  return areComplete ? undefined : 'it ended before its last test, or has none';
};
