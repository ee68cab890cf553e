import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { startChild } from '../support/child-process.ts';
import { compiled } from '../support/compiled.ts';
import { withTcpMemory } from '../support/tcp-memory.ts';
import { until } from '../support/until.ts';

/** A child process that fuzzes with numbers. @param attempt the body of the attempt, which sees the number as `value` */
const fuzz = (t: TestContext, attempt: string, variables: Readonly<Record<string, string>> = {}) => {
  const env = { STEADYPORT_FUZZ_RUNS: '', STEADYPORT_FUZZ_SEED: '', STEADYPORT_FUZZ_PATH: '', ...variables };
  const program = `
    import fc from 'fast-check';
    import { fuzzAtOnce } from ${JSON.stringify(compiled('test/support/fuzz.ts').href)};
    Object.assign(process.env, ${JSON.stringify(env)});
    const idle = setInterval(() => {}, 1_000);
    await fuzzAtOnce(fc.nat(), 100, 4, async (value) => { ${attempt} }).then(
      () => console.log('passed'),
      (error) => console.log(error.message),
    );
    clearInterval(idle);`;
  const child = startChild(t, process.execPath, ['--input-type=module', '-e', program]);
  let output = '';
  child.stdout?.on('data', (text) => {
    output += text;
  });
  return { child, soFar: () => output, end: once(child, 'close').then(() => output) };
};

const FAILS = `if (value > 1000) throw new Error('too large: ' + value)`;

test('a failed attempt says its seed and path, is shrunk, and can be had again by them', async (t) => {
  const first = await fuzz(t, FAILS).end;
  const [, seed, path, value] =
    /^STEADYPORT_FUZZ_SEED=(\d+) STEADYPORT_FUZZ_PATH=(\d+) has failed: too large: (\d+)$/m.exec(first) ?? [];
  assert.ok(seed && path && value, first);
  assert.match(first, /^Counterexample: \[1001\]$/m);
  const again = { STEADYPORT_FUZZ_SEED: seed, STEADYPORT_FUZZ_PATH: path, STEADYPORT_FUZZ_RUNS: '3' };
  const second = await fuzz(t, 'console.log("got " + value)', again).end;
  assert.deepEqual(second.match(/^got .*|^passed$/gm), [...Array(3).fill(`got ${value}`), 'passed']);
});

test('an attempt that fails only once is reported too', async (t) => {
  const output = await fuzz(t, `if (!globalThis.isNext) throw new Error(globalThis.isNext = 'once')`).end;
  assert.match(output, /^STEADYPORT_FUZZ_SEED=\d+ STEADYPORT_FUZZ_PATH=0 has failed: once$/m);
  assert.match(output, /^STEADYPORT_FUZZ_SEED=\d+ STEADYPORT_FUZZ_PATH=0 has failed once, and not again$/m);
});

test('a process that is killed says the seeds and paths of what had not ended', async (t) => {
  const { child, soFar, end } = fuzz(t, `console.log('waits'); await new Promise(() => {})`);
  await until(() => soFar().includes('waits'));
  child.kill('SIGTERM');
  assert.match(await end, /^STEADYPORT_FUZZ_SEED=\d+ STEADYPORT_FUZZ_PATH=0 had not ended$/m);
  assert.equal(child.signalCode, 'SIGTERM');
});

test('an attempt counts unless the system aborted connections for lack of memory meanwhile', async () => {
  let aborts = 7;
  let tries = 0;
  const memory = { aborts: () => aborts, isEnough: () => true };
  const fail = (aborted: number) => async (): Promise<void> => {
    aborts += aborted;
    tries += 1;
    if (tries < 3) throw new Error(`try ${tries}`);
  };
  await assert.rejects(withTcpMemory(fail(0), memory), { message: 'try 1' });
  await withTcpMemory(fail(1), memory);
  assert.equal(tries, 3);
});
