import { fileURLToPath } from 'node:url';
import { toSourcePositions } from './source-positions.js';

const MAX_SLOWEST = 10;
const WORTH_A_LINE_SECONDS = 0.1;

const indent = (text) => text.replace(/^(?=.)/gm, '    ');

/** "unit/lib/address.test.ts" for its compiled file, given as path or URL. A test that a helper defines has the helper's. */
const toTestFile = (file) =>
  (file.startsWith('file:') ? fileURLToPath(file) : file)
    .replace(/^.*\.test-build\/test\//, '')
    .replace(/\.js$/, '.ts');

/** Such as "unit/lib/address.test.ts › an address › has a port". */
const whereIs = ({ names, file }, fallback) =>
  [file === null ? fallback : toTestFile(file), ...names].join(' › ');

/**
 * What is shown of a process as soon as it is over: a dot for each test that has passed, and all about those that have not.
 * @param isChatty shows too what a process wrote whose tests have passed
 */
export const renderProcess = ({ name, results, output, problem }, isChatty) => {
  const tests = results.filter(({ isSuite }) => !isSuite);
  const dots = tests.filter(({ outcome }) => outcome === 'passed').map(() => '.');
  const failures = results.filter(({ outcome }) => outcome === 'failed');
  const parts = failures.map((failure) => `✖ ${whereIs(failure, name)}\n${indent(failure.error ?? '')}`);
  if (problem !== undefined) parts.push(`✖ ${name}: ${problem}`);
  const written = output.trimEnd();
  if (written !== '' && (isChatty || parts.length > 0)) parts.push(`${name} wrote:\n${indent(written)}`);
  return parts.length === 0
    ? dots.join('')
    : `${dots.join('')}\n\n${toSourcePositions(parts.join('\n\n'))}\n\n`;
};

/** The seconds of each file. Files that share a process have the sum of their tests. */
export const timesOf = (processes) => {
  const times = new Map();
  for (const { files, results, seconds } of processes) {
    if (files.length === 1) times.set(toTestFile(files[0]), seconds);
    else
      for (const { names, file, ms } of results)
        if (names.length === 1 && file !== null) {
          const name = toTestFile(file);
          times.set(name, (times.get(name) ?? 0) + ms / 1_000);
        }
  }
  return times;
};

/** The last lines: what was skipped, what took long, what has failed, and the sums. */
export const renderSummary = (processes, wallSeconds, areSkipsFailures) => {
  const passed = processes
    .flatMap(({ results }) => results)
    .filter(({ isSuite, outcome }) => !isSuite && outcome === 'passed');
  const skipped = processes.flatMap(({ name, results }) =>
    results
      .filter(({ outcome }) => outcome === 'skipped')
      .map((result) => `${whereIs(result, name)}: ${result.reason ?? 'without a reason'}`),
  );
  const failed = processes.flatMap(({ name, results, problem }) => [
    ...results.filter(({ outcome }) => outcome === 'failed').map((result) => whereIs(result, name)),
    ...(problem === undefined ? [] : [`${name}: ${problem}`]),
  ]);
  const slowest = [...timesOf(processes)]
    .filter(([, seconds]) => seconds >= WORTH_A_LINE_SECONDS)
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, MAX_SLOWEST)
    .map(([file, seconds]) => `${seconds.toFixed(1).padStart(6)} s  ${file}`);
  const levels = [...new Set(processes.map(({ level }) => level))];
  const sums = levels.map((level) => {
    const own = processes.filter((process) => process.level === level);
    return `${level} ${own.reduce((sum, { seconds }) => sum + seconds, 0).toFixed(1)} s`;
  });
  const strict = areSkipsFailures && skipped.length > 0 ? ' (a failure, with STEADYPORT_REQUIRE_ALL=1)' : '';
  return [
    ...list('Skipped', skipped),
    ...list('Slowest files', slowest),
    ...list('Failed', failed),
    `${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped${strict}`,
    `${wallSeconds.toFixed(1)} s; the processes together: ${sums.join(', ')}`,
  ].join('\n');
};

const list = (head, lines) =>
  lines.length === 0 ? [] : [`${head}:`, ...lines.map((line) => `  ${line}`), ''];
