import fs from 'node:fs';
import { inspect } from 'node:util';

/** Taken before any test runs: the reporter shares its process with tests that replace functions of node:fs. */
const { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, watch } = fs;

const FOLDER = '.test-build/results';

/** Where the process with this pid writes its results: one line of JSON for each test and suite. */
const resultsName = (pid) => `${pid}.jsonl`;
const resultsPath = (pid) => `${FOLDER}/${resultsName(pid)}`;

/** A line of a stack trace that says nothing about the test. */
const INTERNAL_FRAME = /\n +at (?:.*node:(?:internal|async_hooks).*?|[^\n]*\(<anonymous>\))(?= \{$|$)/gm;

/** The last line of the results. */
const END = { end: true };

/**
 * Calls `onFailure` after each result of the process once one of its tests has failed.
 * @returns a function that ends this
 */
export const watchForFailure = (pid, onFailure) => {
  mkdirSync(FOLDER, { recursive: true });
  const watcher = watch(FOLDER, (_, name) => {
    if (name !== resultsName(pid) || !existsSync(resultsPath(pid))) return;
    if (readFileSync(resultsPath(pid), 'utf8').includes('"outcome":"failed"')) onFailure();
  });
  return () => watcher.close();
};

/**
 * Takes the results of a process that is over.
 * @returns the result of each test and suite in the order of their ends, and whether these are all
 */
export const takeResults = (pid) => {
  const path = resultsPath(pid);
  if (!existsSync(path)) return { results: [], areComplete: false };
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
  rmSync(path);
  return { results: lines.filter(({ end }) => !end), areComplete: lines.at(-1)?.end === true };
};

/**
 * Node.js loads this file into a process of tests. The results go to a file, since stdout belongs to the tests. The path
 * has the pid in it, because a process that a test forks inherits the flag, and with it this reporter.
 */
// biome-ignore lint/style/noDefaultExport: Node.js takes a reporter from the default export.
export default async function* report(events) {
  const path = resultsPath(process.pid);
  mkdirSync(FOLDER, { recursive: true });
  /** The names of the test that has started and of the suites around it. */
  const names = [];
  for await (const { type, data } of events) {
    if (type === 'test:start') {
      names.length = data.nesting;
      names.push(data.name);
    }
    if (type === 'test:pass' || type === 'test:fail')
      appendFileSync(path, `${JSON.stringify(toResult(type, data, names.slice(0, data.nesting)))}\n`);
  }
  // Without this line a test has ended the process.
  appendFileSync(path, `${JSON.stringify(END)}\n`);
  yield '';
}

const toResult = (type, data, suites) => {
  const error = data.details?.error;
  return {
    names: [...suites, data.name],
    file: data.file ?? null,
    isSuite: data.details?.type === 'suite',
    ms: data.details?.duration_ms ?? 0,
    outcome: outcomeOf(type, data),
    reason: typeof data.skip === 'string' ? data.skip : null,
    // Node.js wraps what a test has thrown.
    error: error === undefined ? null : describeError(error.cause ?? error),
  };
};

/** Without "child_failed" a failure would be listed again for each suite around it. */
const outcomeOf = (type, { skip, todo, details }) => {
  if (skip !== undefined && skip !== false)
    return skip === 'test name does not match pattern' ? 'not_selected' : 'skipped';
  if (type === 'test:pass' || (todo !== undefined && todo !== false)) return 'passed';
  return details?.error?.failureType === 'subtestsFailed' ? 'child_failed' : 'failed';
};

/** The message of an assertion has its values in it already. */
const describeError = (error) =>
  (error?.code === 'ERR_ASSERTION' ? error.stack : inspect(error)).replace(INTERNAL_FRAME, '');
