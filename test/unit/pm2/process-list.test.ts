import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { MONITOR_APP } from '../../../src/config/app-names.ts';
import type { Pm2Evidence } from '../../../src/health/types.ts';
import { PENDING, type Pm2View } from '../../../src/pm2/client.ts';
import { createProcessList } from '../../../src/pm2/process-list.ts';

const NAME = 'tcp-proxy-6274';
const AWAY: Pm2View = { ok: false, problem: 'the PM2 daemon is not running' };
const listing = (name: string, pid: number, status: Pm2Evidence = 'online'): Pm2View => ({
  ok: true,
  daemonPid: 1,
  apps: new Map([[name, { pid, status, statusText: status, env: {} }]]),
});

/** A PM2 that answers when the test says so, the first that asked first; time-outs pass when it says so. */
const slowPm2 = (t: TestContext) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const asked: ((view: Pm2View) => void)[] = [];
  const lines: string[] = [];
  let superseded = 0;
  const pm2 = { list: () => new Promise<Pm2View>((done) => asked.push(done)) };
  const list = createProcessList(
    pm2,
    (_, text) => lines.push(text),
    () => {
      superseded += 1;
    },
  );
  return {
    ...{ list, lines },
    asked: () => asked.length,
    superseded: () => superseded,
    answer: async (at: number, view: Pm2View) => {
      asked[at]?.(view);
      await turn();
    },
    /** Longer than a look waits. */
    loseThePatience: () => t.mock.timers.tick(300),
  };
};
const FOR_EVER = Number.POSITIVE_INFINITY;

test('those who ask at the same time are told the same', async (t) => {
  const { list, asked, answer } = slowPm2(t);
  const both = Promise.all([list.get(FOR_EVER), list.get(FOR_EVER)]);
  assert.equal(asked(), 1);
  const view = listing(NAME, 100);
  await answer(0, view);
  assert.deepEqual(await both, [view, view]);
});

test('a list that is young enough will do, and another is asked for otherwise', async (t) => {
  const { list, asked, answer } = slowPm2(t);
  const first = list.get(FOR_EVER);
  await answer(0, listing(NAME, 100));
  assert.equal(await list.get(FOR_EVER), await first);
  assert.equal(asked(), 1);
  const second = list.get(-1);
  await turn();
  assert.equal(asked(), 2);
  const now = listing(NAME, 200);
  await answer(1, now);
  assert.equal(await second, now);
});

describe('after a cure', () => {
  test('what was known before it will not do, however young', async (t) => {
    const { list, asked, answer } = slowPm2(t);
    void list.get(FOR_EVER);
    await answer(0, listing(NAME, 100, 'stopping'));
    const curedAt = performance.now() + Number.EPSILON;
    while (performance.now() <= curedAt);
    const after = list.get(FOR_EVER, curedAt);
    await turn();
    assert.equal(asked(), 2);
    const now = listing(NAME, 200);
    await answer(1, now);
    assert.equal(await after, now);
  });

  test('nor will what was asked for before, and comes after it', async (t) => {
    const { list, asked, answer } = slowPm2(t);
    void list.get(FOR_EVER);
    const curedAt = performance.now();
    while (performance.now() <= curedAt);
    const after = list.get(FOR_EVER, performance.now());
    await answer(0, listing(NAME, 100, 'stopping'));
    assert.equal(asked(), 2);
    const now = listing(NAME, 200);
    await answer(1, now);
    assert.equal(await after, now);
  });

  test('and when PM2 takes its time nothing is known', async (t) => {
    const { list, answer, loseThePatience } = slowPm2(t);
    void list.get(FOR_EVER);
    await answer(0, listing(NAME, 100, 'stopping'));
    const curedAt = performance.now();
    while (performance.now() <= curedAt);
    const after = list.get(FOR_EVER, performance.now());
    loseThePatience();
    assert.deepEqual(await after, { ok: false, problem: PENDING });
  });
});

describe('a PM2 that takes its time', () => {
  test('keeps no look from the rest of the evidence', async (t) => {
    const { list, loseThePatience } = slowPm2(t);
    const late = list.get(FOR_EVER);
    loseThePatience();
    assert.deepEqual(await late, { ok: false, problem: PENDING });
    assert.equal(list.problem(), null);
  });

  test('is taken for what it said a moment ago', async (t) => {
    const { list, answer, loseThePatience } = slowPm2(t);
    const before = listing(NAME, 100);
    void list.get(FOR_EVER);
    await answer(0, before);
    const late = list.get(-1);
    loseThePatience();
    assert.equal(await late, before);
  });
});

test('that it cannot be asked is told once, and once that it can again', async (t) => {
  const { list, lines, answer } = slowPm2(t);
  for (const [at, view] of [AWAY, AWAY, listing(NAME, 100), listing(NAME, 100)].entries()) {
    const asked = list.get(-1);
    await turn();
    await answer(at, view);
    assert.equal(await asked, view);
    assert.equal(list.problem(), view.ok ? null : view.problem);
  }
  assert.deepEqual(lines, [
    '⚠️  PM2: the PM2 daemon is not running; the proxies go on without it',
    'PM2 answers again',
  ]);
});

describe('another monitor in the list', () => {
  const table: readonly [status: Pm2Evidence, pid: number, isSuperseded: boolean][] = [
    ['online', process.pid, false],
    ['online', process.pid + 1, true],
    ['launching', process.pid + 1, true],
    ['stopped', process.pid + 1, false],
    ['gave_up', process.pid + 1, false],
  ];
  for (const [status, pid, isSuperseded] of table)
    test(`${status}, ${pid === process.pid ? 'this process' : 'another process'}: ${isSuperseded ? 'takes its place' : 'does not'}`, async (t) => {
      const { list, superseded, answer } = slowPm2(t);
      void list.get(FOR_EVER);
      await answer(0, listing(MONITOR_APP, pid, status));
      assert.equal(superseded(), isSuperseded ? 1 : 0);
    });
});
