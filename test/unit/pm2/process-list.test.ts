import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { MONITOR_APP } from '../../../src/config/app-names.ts';
import type { Pm2Evidence } from '../../../src/health/types.ts';
import { PENDING, type Pm2View } from '../../../src/pm2/client.ts';
import { createProcessList } from '../../../src/pm2/process-list.ts';

const NAME = 'tcp-proxy-6274';
const AWAY: Pm2View = { ok: false, problem: 'the PM2 daemon is not running' };
const listing = (name: string, pid: number | null, status: Pm2Evidence = 'online'): Pm2View => ({
  ok: true,
  daemonPid: 1,
  apps: new Map([[name, { pid, status, statusText: status, env: {} }]]),
});

/** A PM2 whose answers and time-outs come when the test says so. */
const slowPm2 = (t: TestContext) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const asked: ((view: Pm2View) => void)[] = [];
  const lines: string[] = [];
  let superseded = 0;
  const pm2 = { list: () => new Promise<Pm2View>((done) => asked.push(done)) };
  const list = createProcessList(
    pm2,
    (_, text) => lines.push(text),
    'proxy-monitor',
    () => {
      superseded += 1;
    },
  );
  return {
    list,
    lines,
    asked: () => asked.length,
    superseded: () => superseded,
    answer: async (at: number, view: Pm2View) => {
      asked[at]?.(view);
      await turn();
    },
    /** Passes the time that a check waits. */
    timeOut: () => t.mock.timers.tick(300),
  };
};
const ANY_AGE = Number.POSITIVE_INFINITY;

test('callers at the same time share one list', async (t) => {
  const { list, asked, answer } = slowPm2(t);
  const both = Promise.all([list.get(ANY_AGE), list.get(ANY_AGE)]);
  assert.equal(asked(), 1);
  const view = listing(NAME, 100);
  await answer(0, view);
  assert.deepEqual(await both, [view, view]);
});

test('a list that is young enough serves again, an older one is requested anew', async (t) => {
  const { list, asked, answer } = slowPm2(t);
  const first = list.get(ANY_AGE);
  await answer(0, listing(NAME, 100));
  assert.equal(await list.get(ANY_AGE), await first);
  assert.equal(asked(), 1);
  const second = list.get(-1);
  await turn();
  assert.equal(asked(), 2);
  const now = listing(NAME, 200);
  await answer(1, now);
  assert.equal(await second, now);
});

describe('after a remedy', () => {
  test('a list from before it does not serve, however young', async (t) => {
    const { list, asked, answer } = slowPm2(t);
    void list.get(ANY_AGE);
    await answer(0, listing(NAME, 100, 'stopping'));
    const actionAt = performance.now() + Number.EPSILON;
    while (performance.now() <= actionAt);
    const after = list.get(ANY_AGE, actionAt);
    await turn();
    assert.equal(asked(), 2);
    const now = listing(NAME, 200);
    await answer(1, now);
    assert.equal(await after, now);
  });

  test('a list that was requested before it and comes after it does not serve', async (t) => {
    const { list, asked, answer } = slowPm2(t);
    void list.get(ANY_AGE);
    const actionAt = performance.now();
    while (performance.now() <= actionAt);
    const after = list.get(ANY_AGE, performance.now());
    await answer(0, listing(NAME, 100, 'stopping'));
    assert.equal(asked(), 2);
    const now = listing(NAME, 200);
    await answer(1, now);
    assert.equal(await after, now);
  });

  test('the list is unknown while PM2 does not answer', async (t) => {
    const { list, answer, timeOut } = slowPm2(t);
    void list.get(ANY_AGE);
    await answer(0, listing(NAME, 100, 'stopping'));
    const actionAt = performance.now();
    while (performance.now() <= actionAt);
    const after = list.get(ANY_AGE, performance.now());
    timeOut();
    assert.deepEqual(await after, { ok: false, problem: PENDING });
  });
});

describe('a slow PM2', () => {
  test('does not delay the rest of the evidence', async (t) => {
    const { list, timeOut } = slowPm2(t);
    const late = list.get(ANY_AGE);
    timeOut();
    assert.deepEqual(await late, { ok: false, problem: PENDING });
    assert.equal(list.problem(), null);
  });

  test('is represented by its last list', async (t) => {
    const { list, answer, timeOut } = slowPm2(t);
    const before = listing(NAME, 100);
    void list.get(ANY_AGE);
    await answer(0, before);
    const late = list.get(-1);
    timeOut();
    assert.equal(await late, before);
  });
});

test('a failure is logged once, and its end once', async (t) => {
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
  const nameOf = (pid: number | null): string => {
    if (pid === null) return 'without a process';
    return pid === process.pid ? 'this process' : 'another process';
  };
  const table: readonly [status: Pm2Evidence, pid: number | null, isSuperseded: boolean][] = [
    ['online', process.pid, false],
    ['online', process.pid + 1, true],
    ['launching', process.pid + 1, true],
    ['launching', null, false],
    ['online', null, false],
    ['stopped', process.pid + 1, false],
    ['gave_up', process.pid + 1, false],
  ];
  for (const [status, pid, isSuperseded] of table)
    test(`${status}, ${nameOf(pid)}: ${isSuperseded ? 'supersedes' : 'does not'}`, async (t) => {
      const { list, superseded, answer } = slowPm2(t);
      void list.get(ANY_AGE);
      await answer(0, listing(MONITOR_APP, pid, status));
      assert.equal(superseded(), isSuperseded ? 1 : 0);
    });
});

test('of two monitors of one PM2 neither supersedes the other', async (t) => {
  const app = { status: 'online', statusText: 'online', env: {} } as const;
  for (const pids of [
    [process.pid, process.pid + 1],
    [process.pid + 1, process.pid],
  ] as const) {
    const { list, superseded, answer } = slowPm2(t);
    void list.get(ANY_AGE);
    const listed = { ...app, pid: pids[0], copies: [{ ...app, pid: pids[1] }] };
    await answer(0, { ok: true, daemonPid: 1, apps: new Map([[MONITOR_APP, listed]]) });
    assert.equal(superseded(), 0);
    t.mock.timers.reset();
  }
});
