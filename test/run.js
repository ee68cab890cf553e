// `npm test`: compiles the tests, builds dist/ when one of them runs it, and runs them. `npm test -- --help` has the options.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { buildDist, compile, listTests } from './runner/compile.js';
import { concernedTests } from './runner/imports.js';
import { renderProcess, renderSummary, timesOf } from './runner/report.js';
import { runProcess, stopAll } from './runner/run-process.js';
import { planProcesses, readTimes, runJobs, TIMES } from './runner/schedule.js';
import { watchProject } from './runner/watch.js';

const LIMIT_MINUTES = 10;
const MAX_LIMIT_MINUTES = 1_440;

const HELP = `npm test -- [WORD …] [--grep PATTERN] [--bail] [--watch] [--limit-minutes N] [--write-times]

  WORD …             runs only the test files that have one of the words in their path below test/
  --grep PATTERN     runs only the tests whose name matches the regular expression
  --bail             starts no other test file after a failure
  --watch            runs them, and after each change those again that the change concerns
  --limit-minutes N  ends a test file that takes longer, as a failure (default: ${LIMIT_MINUTES})
  --write-times      writes into test/times.json how long the slow files took

With STEADYPORT_REQUIRE_ALL=1 a skipped test is a failure.
`;

/** A faster file need not be in test/times.json. */
const SLOW_SECONDS = 1;

const { values: options, positionals: words } = parseOptions();
const areSkipsFailures = process.env['STEADYPORT_REQUIRE_ALL'] === '1';

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
])
  process.on(signal, () => {
    stopAll();
    process.exit(code);
  });

const select = () =>
  listTests().filter((file) => words.length === 0 || words.some((word) => file.includes(word)));

const selected = select();
if (selected.length === 0) {
  console.error(`No test file${words.length > 0 ? ` has ${words.join(' or ')} in its path` : ''}.`);
  process.exit(1);
}
const isGood = await runTests(selected);
if (options.watch)
  await watchProject(sayThatItWaits, async (changed) => {
    const concerned = concernedTests(select(), changed);
    console.log(`\n${changed.join(', ')}: ${concerned.length} test files`);
    if (concerned.length > 0) await runTests(concerned);
    sayThatItWaits();
  });
process.exitCode = isGood ? 0 : 1;

function sayThatItWaits() {
  console.log('\nWaits for a change; Ctrl-C ends it.');
}

function parseOptions() {
  try {
    const parsed = parseArgs({
      allowPositionals: true,
      options: {
        grep: { type: 'string' },
        bail: { type: 'boolean', default: false },
        watch: { type: 'boolean', default: false },
        'limit-minutes': { type: 'string', default: String(LIMIT_MINUTES) },
        'write-times': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const limit = parsed.values['limit-minutes'];
    if (!(Number(limit) > 0 && Number(limit) <= MAX_LIMIT_MINUTES))
      throw new Error(`--limit-minutes is ${limit}: expected a number above 0, at most ${MAX_LIMIT_MINUTES}`);
    toRegExp(parsed.values.grep ?? '');
    if (!parsed.values.help) return parsed;
    console.log(HELP);
    process.exit(0);
  } catch (error) {
    console.error(`${error.message}. The options: npm test -- --help`);
    process.exit(2);
  }
}

/**
 * The pattern as Node.js reads it: `/PATTERN/FLAGS`, or a pattern without flags.
 * https://github.com/nodejs/node/blob/v20.20.2/lib/internal/test_runner/utils.js (convertStringToRegExp)
 */
function toRegExp(text) {
  const [, pattern = text, flags = ''] = /^\/(.*)\/([a-z]*)$/.exec(text) ?? [];
  try {
    return new RegExp(pattern, flags);
  } catch (error) {
    throw new Error(`--grep is ${text}: expected a regular expression; ${error.message}`);
  }
}

/** @returns whether all have passed; false too when the compiler has refused the sources, and has said why */
async function runTests(files) {
  const startedAt = performance.now();
  if (files.some((file) => !file.startsWith('unit/')) && !buildDist()) return false;
  if (!(await compile())) return false;
  const processes = [];
  let hasFailed = false;
  const runJob = (job) =>
    hasFailed && options.bail
      ? Promise.resolve(undefined)
      : runProcess(job.files, { pattern: options.grep, limitMs: Number(options['limit-minutes']) * 60_000 });
  await runJobs(planProcesses(files), runJob, (job, outcome) => {
    if (outcome === undefined) return;
    processes.push({ ...job, ...outcome });
    hasFailed ||= !hasPassed(outcome);
    process.stdout.write(renderProcess({ ...job, ...outcome }, files.length === 1));
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  console.log(`\n\n${renderSummary(processes, seconds, areSkipsFailures)}`);
  if (options['write-times']) writeTimes(timesOf(processes));
  const hasRun = processes.some(({ results, problem }) => problem !== undefined || results.some(isRun));
  if (!hasRun) console.error(`No test has a name that matches ${options.grep}.`);
  return hasRun && !hasFailed;
}

function isRun({ isSuite, outcome }) {
  return outcome === 'skipped' || (!isSuite && outcome !== 'not_selected');
}

function hasPassed({ results, problem }) {
  const bad = areSkipsFailures ? ['failed', 'skipped'] : ['failed'];
  return problem === undefined && !results.some(({ outcome }) => bad.includes(outcome));
}

/** Files that did not run keep their time. */
function writeTimes(times) {
  const known = new Set(listTests());
  const all = Object.entries({ ...readTimes(), ...Object.fromEntries(times) })
    .filter(([file, seconds]) => known.has(file) && seconds >= SLOW_SECONDS)
    .map(([file, seconds]) => [file, Math.round(seconds)])
    .sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(TIMES, `${JSON.stringify(Object.fromEntries(all), null, 2)}\n`);
}
