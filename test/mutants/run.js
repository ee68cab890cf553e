// `npm run verify -- mutants`: plants one fault after another, and shows which of them the unit and integration tests catch.
// `node test/mutants/run.js --tree PATH` tries the tests of another checkout, and `--only WORD` the files with the word.
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { transformSync } from 'esbuild';
import { BUILD, buildDist, compile, listTests } from '../runner/compile.js';
import { runProcess, stopAll } from '../runner/run-process.js';
import { planProcesses, runJobs } from '../runner/schedule.js';
import { MUTANTS } from './table.js';

/** A fault may make a test wait for ever. It gets this much longer than without the fault, and at least the least. */
const LIMIT_FACTOR = 4;
const MIN_LIMIT_MS = 60_000;
const BASELINE_LIMIT_MS = 600_000;

const OWN_TREE = '.';

const { values: options } = parseArgs({
  options: { tree: { type: 'string', default: OWN_TREE }, only: { type: 'string', default: '' } },
});

const PACKAGES = ['node_modules', 'test/peers/node_modules'];
const isPackages = (name) => name === '' || PACKAGES.includes(name);

/** Copies the files of a checkout, with its installed packages, so that no fault is ever planted in the checkout itself. */
const copyTree = (tree) => {
  const copy = mkdtempSync(join(tmpdir(), 'steadyport-mutants-'));
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const files = execFileSync('git', list, { cwd: tree, encoding: 'utf8', maxBuffer: 1e8 });
  for (const file of files.split('\0').filter((name) => existsSync(join(tree, name)) && !isPackages(name))) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(tree, file), join(copy, file));
  }
  for (const packages of PACKAGES.filter((name) => existsSync(join(tree, name))))
    symlinkSync(realpathSync(join(tree, packages)), join(copy, packages));
  return copy;
};

/** A fault by its file and the first line of its place. */
const nameOf = ({ file, find }) => `${file}: ${find.split('\n')[0]}`;

/** The processes of the unit and integration tests, the short ones first. */
const planTests = (words) =>
  planProcesses(
    listTests().filter(
      (file) => /^(unit|integration)\//.test(file) && words.some((word) => file.includes(word)),
    ),
  ).toReversed();

const failureOf = ({ results, problem }) => {
  const failed = results.find(({ outcome }) => outcome === 'failed');
  return failed ? failed.names.join(' › ') : problem;
};

/** Runs all tests without a fault. @returns the seconds of each process that passed, by the name of its first file */
const measureBaseline = async (mutants) => {
  const seconds = new Map();
  const words = mutants.flatMap(({ tests }) => tests);
  const run = ({ files }) => runProcess(files, { limitMs: BASELINE_LIMIT_MS });
  await runJobs(planTests(words), run, ({ name, files }, outcome) => {
    const failure = failureOf(outcome);
    if (failure === undefined) for (const file of files) seconds.set(file, outcome.seconds);
    else console.log(`not used, since it fails without a fault: ${name}: ${failure}`);
  });
  return seconds;
};

/**
 * Compiles the file with the fault in it.
 * @returns undefined when the place of the fault is not in the file exactly once, as in another checkout it may not be
 */
const plant = ({ file, find, replace }) => {
  const source = existsSync(file) ? readFileSync(file, 'utf8') : '';
  if (source.split(find).length !== 2) return undefined;
  const faulty = source.replace(find, () => replace);
  const { code } = transformSync(faulty, {
    loader: 'ts',
    format: 'esm',
    target: 'node20.19',
    sourcefile: file,
  });
  return code.replaceAll(/((?:from|import\()\s*")(\.[^"]+)\.ts"/g, '$1$2.js"');
};

/** @returns the test that failed; undefined when none did */
const findCatcher = async (words, baseline) => {
  let catcher;
  const run = async ({ files }) => {
    const usable = files.filter((file) => baseline.has(file));
    if (catcher !== undefined || usable.length === 0) return undefined;
    const limitMs = Math.max(
      MIN_LIMIT_MS,
      ...usable.map((file) => baseline.get(file) * 1_000 * LIMIT_FACTOR),
    );
    return runProcess(usable, { limitMs, stopsAtFailure: true });
  };
  await runJobs(planTests(words), run, ({ name }, outcome) => {
    const failure = outcome && failureOf(outcome);
    if (failure === undefined || catcher !== undefined) return;
    catcher = `${name}: ${failure}`;
    stopAll();
  });
  return catcher;
};

const tryMutant = async (mutant, baseline) => {
  const startedAt = performance.now();
  const compiled = `${BUILD}/${mutant.file.replace(/\.ts$/, '.js')}`;
  const faultless = readFileSync(compiled);
  writeFileSync(compiled, mutant.code);
  const catcher = await findCatcher(mutant.tests, baseline);
  writeFileSync(compiled, faultless);
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6);
  console.log(`${catcher === undefined ? 'SURVIVED' : 'caught  '} ${seconds} s  ${nameOf(mutant)}`);
  if (catcher !== undefined) console.log(`                     by ${catcher}`);
  return catcher !== undefined;
};

for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    stopAll();
    process.exit(1);
  });

const copy = copyTree(options.tree);
process.on('exit', () => rmSync(copy, { recursive: true, force: true }));
process.chdir(copy);
if (!buildDist() || !(await compile())) process.exit(1);

const wanted = MUTANTS.filter(({ file }) => file.includes(options.only)).map((mutant) => ({
  ...mutant,
  code: plant(mutant),
}));
const misplaced = wanted.filter(({ code }) => code === undefined);
for (const { file, find } of misplaced) console.error(`not exactly once in ${file}: ${find}`);
if (misplaced.length > 0 && options.tree === OWN_TREE) process.exit(1);

const mutants = wanted.filter(({ code }) => code !== undefined);
const baseline = await measureBaseline(mutants);
const survivors = [];
for (const mutant of mutants) if (!(await tryMutant(mutant, baseline))) survivors.push(mutant);
console.log(`${mutants.length - survivors.length} of ${mutants.length} faults are caught`);
if (options.tree === OWN_TREE && survivors.length > 0) {
  console.error(`No test notices these:\n${survivors.map((mutant) => `  ${nameOf(mutant)}`).join('\n')}`);
  process.exitCode = 1;
}
