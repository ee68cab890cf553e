import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { tempFolder } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

/** The runner of `npm test` proves here that it sees each way in which a test can fail. Tests run in the project's root. */
interface Process {
  readonly seconds: number;
  readonly results: readonly {
    readonly names: readonly string[];
    readonly outcome: string;
    readonly reason: string | null;
    readonly error: string | null;
  }[];
  readonly output: string;
  readonly problem: string | undefined;
}
const load = (name: string) => import(pathToFileURL(join(process.cwd(), 'test/runner', name)).href);
const { runProcess } = (await load('run-process.js')) as {
  readonly runProcess: (
    files: readonly string[],
    options: { readonly limitMs: number; readonly pattern?: string; readonly stopsAtFailure?: boolean },
  ) => Promise<Process>;
};
interface Job {
  readonly name: string;
  readonly weight: number;
}
const { runJobs } = (await load('schedule.js')) as {
  readonly runJobs: (
    jobs: readonly Job[],
    run: (job: Job) => Promise<string>,
    onEnd: (job: Job, result: string) => void,
    capacity: number,
  ) => Promise<void>;
};
const { renderProcess, renderSummary } = (await load('report.js')) as {
  readonly renderProcess: (process: Process & { readonly name: string }, isChatty: boolean) => string;
  readonly renderSummary: (
    processes: readonly (Process & Named)[],
    seconds: number,
    areSkipsFailures: boolean,
  ) => string;
};
interface Named {
  readonly name: string;
  readonly level: string;
  readonly files: readonly string[];
}
const { concernedTests } = (await load('imports.js')) as {
  readonly concernedTests: (
    tests: readonly string[],
    changed: readonly string[],
    read: (path: string) => string | undefined,
  ) => readonly string[];
};
const { toSourcePositions } = (await load('source-positions.js')) as {
  readonly toSourcePositions: (text: string) => string;
};

const NO_LIMIT = { limitMs: 600_000 };

const folder = tempFolder();
const write = (name: string, code: string): string => {
  const path = join(folder, `${name}.test.mjs`);
  writeFileSync(
    path,
    `import assert from 'node:assert'; import { describe, test } from 'node:test';\n${code}`,
  );
  return path;
};
const outcomes = ({ results }: Process): readonly (readonly [string, string])[] =>
  results.map(({ names, outcome }) => [names.join('/'), outcome]);

test('a result of each kind is reported, with its suites, its reason and its error', async () => {
  const file = write(
    'kinds',
    `describe('suite', { concurrency: 2 }, () => {
      test('slow', () => new Promise((done) => setImmediate(done)));
      test('fails', () => assert.equal(1, 2));
      test('skipped', { skip: 'needs root' }, () => {});
    });
    test('todo', { todo: 'later' }, () => assert.fail());
    test('passes', async (t) => { await t.test('below', () => {}); console.log('said'); });`,
  );
  const result = await runProcess([file], NO_LIMIT);
  assert.deepEqual(outcomes(result), [
    ['suite/slow', 'passed'],
    ['suite/fails', 'failed'],
    ['suite/skipped', 'skipped'],
    ['suite', 'child_failed'],
    ['todo', 'passed'],
    ['passes/below', 'passed'],
    ['passes', 'passed'],
  ]);
  assert.equal(result.problem, undefined);
  assert.match(result.results[1]?.error ?? '', /1 == 2[\s\S]*kinds\.test\.mjs:4/);
  assert.equal(result.results[2]?.reason, 'needs root');
  assert.match(result.output, /said/);
});

test('a process that fails without a failed test has a problem', async () => {
  const cases = [
    ['before-its-tests', 'process.exit(0);', 'it ended before its last test, or has none'],
    ['throws', "throw new Error('at the top');", 'it ended with code 1'],
    [
      'exits',
      "test('a', () => {}); test('b', () => process.exit(0)); test('c', () => {});",
      'it ended before its last test, or has none',
    ],
    ['killed', "test('a', () => process.kill(process.pid, 'SIGKILL'));", 'it was ended by SIGKILL'],
    ['never-ends-well', "test('a', () => {}); process.exitCode = 3;", 'it ended with code 3'],
  ] as const;
  for (const [name, code, problem] of cases)
    assert.equal((await runProcess([write(name, code)], NO_LIMIT)).problem, problem);
});

test('a process that does not end is ended, and that is its problem', async () => {
  const file = write('hangs', "test('a', () => new Promise((done) => setTimeout(done, 600_000)));");
  assert.equal((await runProcess([file], { limitMs: 500 })).problem, 'it had not ended after 0.5 s');
});

test('a process that is to stop at a failure is ended after its first failed test', async () => {
  const file = write(
    'stops',
    `test('passes', () => {}); test('fails', () => assert.fail());
     test('hangs', () => new Promise((done) => setTimeout(done, 600_000)));`,
  );
  const result = await runProcess([file], { ...NO_LIMIT, stopsAtFailure: true });
  assert.deepEqual(outcomes(result).slice(0, 2), [
    ['passes', 'passed'],
    ['fails', 'failed'],
  ]);
});

test('files that share a process are all run, and a pattern selects tests in them', async () => {
  const files = ['one', 'two'].map((name) =>
    write(name, `test('${name}', () => assert.ok(later)); const later = '${name}';`),
  );
  const all = await runProcess(files, NO_LIMIT);
  assert.deepEqual(outcomes(all), [
    ['one', 'passed'],
    ['two', 'passed'],
  ]);
  const some = await runProcess(files, { ...NO_LIMIT, pattern: 'tw' });
  assert.deepEqual(
    outcomes(some).filter(([, outcome]) => outcome !== 'not_selected'),
    [['two', 'passed']],
  );
  assert.equal(some.problem, undefined);
});

test('the report shows a dot for a passed test, and all about the others', async () => {
  const file = write(
    'report',
    `test('passes', () => {}); test('fails', () => { console.log('said'); assert.fail('why'); });
     test('skipped', { skip: 'needs root' }, () => {});`,
  );
  const done = { ...(await runProcess([file], NO_LIMIT)), name: 'report', level: 'unit', files: [file] };
  assert.match(
    renderProcess(done, false),
    /^\.\n\n✖ .*› fails\n {4}AssertionError.*why[\s\S]*wrote:\n {4}said/,
  );
  const summary = renderSummary([done], 1, true);
  assert.match(summary, /› skipped: needs root/);
  assert.match(summary, /› fails\n/);
  assert.match(summary, /1 passed, 1 failed, 1 skipped \(a failure, with STEADYPORT_REQUIRE_ALL=1\)/);
});

test('a position in a compiled file becomes one in the source, and others stay', () => {
  const compiled = join(process.cwd(), '.test-build/test/support/compiled.js');
  const mapped = toSourcePositions(
    `at x (file://${compiled}:3:1) at y (${relative('', compiled)}:3:1) at /a/b.js:1:2`,
  );
  assert.match(
    mapped,
    /^at x \(test\/support\/compiled\.ts:\d+:\d+\) at y \(test\/support\/compiled\.ts:\d+:\d+\) at \/a\/b\.js:1:2$/,
  );
});

test('jobs run side by side as far as their weights allow, the first that fits next', async () => {
  const log: string[] = [];
  const ends = new Map<string, () => void>();
  const run = ({ name }: Job) => {
    log.push(`${name} starts`);
    return new Promise<string>((done) => ends.set(name, () => done(name)));
  };
  const jobs = ['a2', 'b2', 'c3', 'd1'].map((name) => ({ name, weight: Number(name[1]) }));
  const all = runJobs(jobs, run, ({ name }) => log.push(`${name} ends`), 3);
  for (const name of ['a2', 'd1', 'b2', 'c3']) {
    ends.get(name)?.();
    await new Promise(setImmediate);
  }
  await all;
  assert.deepEqual(log, [
    'a2 starts',
    'd1 starts',
    'a2 ends',
    'b2 starts',
    'd1 ends',
    'b2 ends',
    'c3 starts',
    'c3 ends',
  ]);
});

test('a change concerns the tests that reach the file, run the built program, or read the project', () => {
  const files: Readonly<Record<string, string>> = {
    'src/a.ts': "import { b } from './lib/b.ts';",
    'src/lib/b.ts': '',
    'src/worker.ts': '',
    'test/unit/a.test.ts': "import { a } from '../../src/a.ts';",
    'test/unit/w.test.ts': "compiled('src/worker.ts');",
    'test/e2e/cli.test.ts': "import { steadyport } from '../support/cli.ts';",
    'test/e2e/dev.test.ts': "spawn('scripts/dev.js');",
    'test/meta/docs.test.ts': '',
  };
  const tests = Object.keys(files)
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => path.replace('test/', ''));
  const concerned = (...changed: readonly string[]) => concernedTests(tests, changed, (path) => files[path]);
  const meta = 'meta/docs.test.ts';
  assert.deepEqual(concerned('src/lib/b.ts'), ['unit/a.test.ts', 'e2e/cli.test.ts', meta]);
  assert.deepEqual(concerned('src/worker.ts'), ['unit/w.test.ts', 'e2e/cli.test.ts', meta]);
  assert.deepEqual(concerned('test/unit/w.test.ts'), ['unit/w.test.ts', meta]);
  assert.deepEqual(concerned('scripts/dev.js'), ['e2e/dev.test.ts', meta]);
  assert.deepEqual(concerned('test/support/else.ts'), [meta]);
});

test('a pattern that is no regular expression is refused in one line, before anything is built', () => {
  const run = (pattern: string) =>
    spawnSync(process.execPath, [join(process.cwd(), 'test/run.js'), '--grep', pattern, 'no such file'], {
      encoding: 'utf8',
    });
  for (const pattern of ['(', '/(/i', '/a/x']) {
    const { status, stderr } = run(pattern);
    assert.equal(status, 2);
    assert.match(
      stderr,
      /^--grep is \S+: expected a regular expression; .*\. The options: npm test -- --help\n$/,
    );
  }
  for (const pattern of ['/a/i', 'a/i', '\\(']) assert.match(run(pattern).stderr, /^No test file has/);
});

test('--watch outlives a syntax error, and goes on with the next change', async (t) => {
  const project = join(folder, 'project');
  const edit = (path: string, text: string): void => {
    mkdirSync(dirname(join(project, path)), { recursive: true });
    writeFileSync(join(project, path), text);
  };
  const esbuild = join(process.cwd(), 'node_modules/esbuild/lib/main.js');
  edit('package.json', '{ "scripts": { "build": "node build.cjs" } }');
  edit(
    'build.cjs',
    `require(${JSON.stringify(esbuild)}).buildSync({ entryPoints: ['src/a.ts'], outdir: 'dist' });`,
  );
  edit('src/package.json', '{ "type": "module" }');
  edit('src/a.ts', 'export const a = 1;');
  for (const name of ['unit/a', 'integration/a'])
    edit(
      `test/${name}.test.ts`,
      `import assert from 'node:assert'; import { test } from 'node:test'; import { a } from '../../src/a.ts';
       test('is 1', () => assert.equal(a, 1));`,
    );
  edit('test/meta/docs.test.ts', "import { test } from 'node:test'; test('reads', () => {});");
  edit('docs/page.md', '');
  const child = spawn(process.execPath, [join(process.cwd(), 'test/run.js'), '--watch'], { cwd: project });
  t.after(() => child.kill());
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const outputUntil = async (...parts: readonly string[]): Promise<void> => {
    await until(
      () => {
        assert.equal(child.exitCode, null, output);
        return [...parts, 'Waits for a change'].every((part) => output.includes(part));
      },
      `${parts.join(', ')} in the output`,
    );
    output = '';
  };
  await outputUntil('3 passed, 0 failed');
  edit('src/a.ts', 'export const a = ;');
  await outputUntil('src/a.ts: 3 test files', 'src/a.ts:1:17');
  edit('src/a.ts', 'export const a = 2;');
  await outputUntil('src/a.ts: 3 test files', '1 passed, 2 failed');
  edit('docs/page.md', 'changed');
  await outputUntil('docs/page.md: 1 test files', '1 passed, 0 failed');
});
