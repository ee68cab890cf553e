import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { BUILD } from './compile.js';

/** How many seconds the slow test files take; `npm test -- --write-times` writes it. The longest are started first. */
export const TIMES = new URL('../times.json', import.meta.url);
const UNKNOWN_SECONDS = 2;

/** Most files wait more than they compute, so twice as many run at a time as there are cores. */
const CAPACITY = 2 * availableParallelism();

/** How much of the capacity a file takes. One that fits no rule takes 1. */
const WEIGHTS = [
  // They measure CPU or starvation, and nothing may run beside them.
  { files: /cpu-starvation/, weight: CAPACITY },
  // Each has several PM2 daemons at a time.
  { files: /^e2e\/(stop|pm2)\.test/, weight: 2 },
  // They compute all the time.
  { files: /^unit\/|proxy\/fuzz|conformance|kernel\/connection|-killed|layering/, weight: 2 },
];

/** A unit test file with hooks of its own for all its tests would have them run for the tests of the other files too. */
const needsOwnProcess = (file) =>
  !file.startsWith('unit/') ||
  /^(before|after|beforeEach|afterEach)\(/m.test(readFileSync(`test/${file}`, 'utf8'));

/** @returns the seconds of each slow file */
export const readTimes = () => JSON.parse(readFileSync(TIMES, 'utf8'));

/**
 * Divides the files into processes: the unit tests share one, and each other file has its own.
 * @param files as from listTests
 * @returns the processes, the longest first; `files` are the compiled ones
 */
export const planProcesses = (files) => {
  const times = readTimes();
  const batch = files.filter((file) => !needsOwnProcess(file));
  const groups = [
    ...(batch.length > 0 ? [batch] : []),
    ...files.filter(needsOwnProcess).map((file) => [file]),
  ];
  return groups
    .map((group) => ({
      level: group[0].split('/')[0],
      name: group.length === 1 ? group[0] : `${group.length} files of unit/`,
      files: group.map((file) => `${BUILD}/test/${file.replace(/\.ts$/, '.js')}`),
      seconds: group.reduce((sum, file) => sum + (times[file] ?? UNKNOWN_SECONDS), 0),
      weight: Math.min(CAPACITY, WEIGHTS.find((rule) => rule.files.test(group[0]))?.weight ?? 1),
    }))
    .sort((a, b) => b.seconds - a.seconds);
};

/**
 * Runs jobs side by side as far as their weights allow. A job that does not fit waits, and a lighter one goes before it; the
 * heaviest run at the end, alone.
 * @param run gets a job and returns a promise
 * @param onEnd gets a job and what `run` made of it, as soon as it is over
 */
export const runJobs = (jobs, run, onEnd, capacity = CAPACITY) =>
  new Promise((done, fail) => {
    const waiting = [...jobs];
    let used = 0;
    const startNext = () => {
      if (waiting.length === 0 && used === 0) return done();
      for (;;) {
        const index = waiting.findIndex(({ weight }) => weight <= capacity - used);
        if (index === -1) return;
        const [job] = waiting.splice(index, 1);
        used += job.weight;
        run(job)
          .then((result) => {
            used -= job.weight;
            onEnd(job, result);
            startNext();
          })
          .catch(fail);
      }
    };
    startNext();
  });
