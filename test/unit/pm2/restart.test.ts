import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Pm2Evidence, Remedy } from '../../../src/health/types.ts';
import type { AppDefinition } from '../../../src/pm2/apps.ts';
import type { Pm2, Pm2App, Pm2View } from '../../../src/pm2/client.ts';
import { createRestarter } from '../../../src/pm2/restart.ts';
import { HAS_PROCFS, readProcess } from '../../../src/system/proc/procfs.ts';
import { type Child, startChild } from '../../support/child-process.ts';
import { needs } from '../../support/requirements.ts';

const NAME = 'tcp-proxy-6274';
const APP = { name: NAME } as AppDefinition;
const AWAY: Pm2View = { ok: false, problem: 'the PM2 daemon is not running' };

const DAEMON = 1;

/** PM2's list, with the app in it, or without. */
const listed = (status?: Pm2Evidence, pid: number | null = 100, env: Pm2App['env'] = {}): Pm2View => ({
  ok: true,
  daemonPid: DAEMON,
  apps: new Map(status ? [[NAME, { pid, status, statusText: status, env }]] : []),
});

/** A PM2 that has these lists, one after the other and then the last one, and does what `on` says. */
const fakePm2 = (views: readonly Pm2View[], on: Partial<Pm2> = {}) => {
  const calls: string[] = [];
  const left = [...views];
  const noted = (name: 'start' | 'restart' | 'stop' | 'delete') => async (argument: never) => {
    calls.push(name);
    await on[name]?.(argument);
  };
  const pm2: Pm2 = {
    list: async () => (left.length > 1 ? left.shift() : left[0]) ?? AWAY,
    start: noted('start'),
    restart: noted('restart'),
    stop: noted('stop'),
    reloadLogs: async () => {},
    delete: noted('delete'),
    subscribe: () => {},
    close: () => {},
  };
  const restart = createRestarter(pm2);
  return {
    calls,
    restart: (
      cure: Exclude<Remedy, 'relisten'>,
      app: AppDefinition,
      pid: number | null,
      seenBy: number | null = null,
    ) => restart(cure, app, pid, seenBy),
  };
};

const sleeper = (t: TestContext) => startChild(t, 'sleep', ['1000']);

describe('while PM2 cannot be reached nothing is begun', () => {
  for (const cure of ['start', 'restart', 'force_restart'] as const)
    test(cure, async (t) => {
      const child = sleeper(t);
      const { calls, restart } = fakePm2([AWAY]);
      await assert.rejects(restart(cure, APP, child.pid), /^Error: the PM2 daemon is not running$/);
      assert.deepEqual(calls, []);
      assert.equal(child.signalCode, null);
    });
});

describe('to bring back', () => {
  const table: readonly [status: Pm2Evidence | undefined, calls: readonly string[]][] = [
    [undefined, ['start']],
    ['gave_up', ['stop', 'restart']],
    ['waiting_restart', ['stop', 'restart']],
    ['online', ['restart']],
    ['stopped', []],
    ['stopping', []],
  ];
  for (const [status, expected] of table)
    test(`an app that PM2 has as ${status ?? 'nothing'}: ${expected.join(', ') || 'nothing'}`, async () => {
      const { calls, restart } = fakePm2([listed(status)]);
      await restart('start', APP, null);
      assert.deepEqual(calls, expected);
    });

  test('an app that this very daemon had before: nothing, somebody has deleted it since the look', async () => {
    const { calls, restart } = fakePm2([listed()]);
    await restart('start', APP, null, DAEMON);
    assert.deepEqual(calls, []);
  });

  test('an app that another daemon had before: it is started', async () => {
    const { calls, restart } = fakePm2([listed()]);
    await restart('start', APP, null, DAEMON + 1);
    assert.deepEqual(calls, ['start']);
  });

  test('an app whose stop fails goes on with the restart', async () => {
    const { calls, restart } = fakePm2([listed('gave_up')], { stop: () => Promise.reject(new Error('no')) });
    await restart('start', APP, null);
    assert.deepEqual(calls, ['stop', 'restart']);
  });

  test('an app that PM2 does not restart is said so', async () => {
    const { restart } = fakePm2([listed('online')], { restart: () => Promise.reject(new Error('no')) });
    await assert.rejects(restart('start', APP, null), /^Error: no$/);
  });
});

describe('what the operator stops between the look and the cure stays stopped', () => {
  for (const cure of ['restart', 'force_restart'] as const)
    for (const status of ['stopped', 'stopping'] as const)
      test(`${cure}, ${status}`, async () => {
        const { calls, restart } = fakePm2([listed(status)]);
        await assert.rejects(restart(cure, APP, 100), /^Error: it was stopped meanwhile$/);
        assert.deepEqual(calls, []);
      });
});

describe('a restart that PM2 rejects', () => {
  const now: readonly [view: Pm2View, isReplaced: boolean][] = [
    [listed('online', 200), true],
    [listed('launching', 200), true],
    [listed('waiting_restart', null), true],
    [listed('online', 100), false],
    [listed('gave_up', null), false],
    [listed(undefined), false],
    [AWAY, false],
  ];
  for (const cure of ['restart', 'force_restart'] as const)
    for (const [view, isReplaced] of now) {
      const [app] = view.ok ? view.apps.values() : [];
      const seen = view.ok ? `${app?.status ?? 'not listed'}, pid ${app?.pid ?? 'none'}` : 'away';
      test(`${cure}, and then ${seen}: ${isReplaced ? 'it came about all the same' : 'has failed'}`, async () => {
        const { restart } = fakePm2([listed('online', 100), view], {
          restart: () => Promise.reject(new Error('Process 0 not found')),
        });
        const done = restart(cure, APP, 100);
        if (isReplaced) await done;
        else await assert.rejects(done, /^Error: Process 0 not found$/);
      });
    }
});

/** What the kernel gives the next pid after; only a root may say so. */
const LAST_PID = {
  path: '/proc/sys/kernel/ns_last_pid',
  get problem(): string | undefined {
    try {
      writeFileSync(this.path, readFileSync(this.path));
      return undefined;
    } catch {
      return 'needs root (ns_last_pid)';
    }
  },
};

/** Another process of this pid, started at another tick of the clock. Others may come first: it is tried until it is so. */
const replace = async (t: TestContext, pid: number, startTicks: number): Promise<Child> => {
  for (let tries = 0; tries < 1_000; tries += 1) {
    writeFileSync(LAST_PID.path, String(pid - 1));
    const child = sleeper(t);
    if (child.pid === pid && readProcess(pid)?.startTicks !== startTicks) return child;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  return assert.fail('the pid did not come again');
};

describe('to kill what PM2 is stopping', {
  skip: needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)'),
}, () => {
  const OURS = { STEADYPORT_CONFIG: '/etc/steadyport.json', STEADYPORT_REVISION: '0' };
  const app = { name: NAME, env: OURS } as unknown as AppDefinition;
  const table: Readonly<Record<string, readonly [view: (pid: number) => Pm2View, isKilled: boolean]>> = {
    'that is so still': [(pid) => listed('stopping', pid, OURS), true],
    'that has been stopped since': [() => listed('stopped', null, OURS), false],
    'that runs again': [(pid) => listed('online', pid, OURS), false],
    'that is another process by now': [(pid) => listed('stopping', pid + 1, OURS), false],
    'that is deleted': [() => listed(), false],
    'that was made from another config': [
      (pid) => listed('stopping', pid, { ...OURS, STEADYPORT_CONFIG: '/srv/steadyport.json' }),
      false,
    ],
    'that was made from no config': [(pid) => listed('stopping', pid), false],
  };
  for (const [name, [view, isKilled]] of Object.entries(table))
    test(`${name}: ${isKilled ? 'killed' : 'left alone'}`, async (t) => {
      const child = sleeper(t);
      const { calls, restart } = fakePm2([view(child.pid)]);
      await restart('kill', app, child.pid);
      assert.deepEqual(calls, []);
      if (!isKilled) child.kill('SIGTERM');
      await once(child, 'exit');
      assert.equal(child.signalCode, isKilled ? 'SIGKILL' : 'SIGTERM');
    });

  test('kills nobody while PM2 cannot be asked', async (t) => {
    const child = sleeper(t);
    await assert.rejects(fakePm2([AWAY]).restart('kill', app, child.pid), /daemon is not running/);
    child.kill('SIGTERM');
    await once(child, 'exit');
    assert.equal(child.signalCode, 'SIGTERM');
  });
});

describe('a forced restart', { skip: needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)') }, () => {
  /** One that PM2 has begun, and ends when `goes` does; time goes by only when the test says so. */
  const begin = async (
    t: TestContext,
    cure: 'restart' | 'force_restart',
    pid: number | null,
    goes: Promise<unknown>,
  ) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { calls, restart } = fakePm2([listed('online', pid)], { restart: async () => void (await goes) });
    const done = restart(cure, APP, pid);
    await turn();
    assert.deepEqual(calls, ['restart']);
    return { done };
  };
  /** A signal that was sent before this one would have ended it. */
  const assertUnharmed = async (child: Child): Promise<void> => {
    child.kill('SIGTERM');
    await once(child, 'exit');
    assert.equal(child.signalCode, 'SIGTERM');
  };
  const isAlive = ({ pid }: Child): boolean => !'ZX'.includes(readProcess(pid)?.state ?? 'X');

  test('kills a process that does not heed PM2, 15 ms later', async (t) => {
    const child = sleeper(t);
    child.kill('SIGSTOP');
    const { done } = await begin(t, 'force_restart', child.pid, once(child, 'exit'));
    t.mock.timers.tick(14);
    await turn();
    assert.ok(isAlive(child));
    t.mock.timers.tick(1);
    await done;
    assert.equal(child.signalCode, 'SIGKILL');
  });

  test('is the only one that kills', async (t) => {
    const child = sleeper(t);
    const { done } = await begin(t, 'restart', child.pid, turn());
    await done;
    t.mock.timers.tick(60_000);
    await assertUnharmed(child);
  });

  test('of a process that goes by itself kills nobody', async (t) => {
    const child = sleeper(t);
    const { done } = await begin(t, 'force_restart', child.pid, once(child, 'exit'));
    child.kill('SIGTERM');
    await done;
    t.mock.timers.tick(15);
    assert.equal(child.signalCode, 'SIGTERM');
  });

  test('kills nobody who has the pid by then', { skip: needs(LAST_PID.problem) }, async (t) => {
    const child = sleeper(t);
    const startTicks = readProcess(child.pid)?.startTicks ?? 0;
    const { done } = await begin(t, 'force_restart', child.pid, once(child, 'exit'));
    child.kill('SIGTERM');
    await done;
    const heir = await replace(t, child.pid, startTicks);
    t.mock.timers.tick(15);
    await assertUnharmed(heir);
  });

  for (const [name, pid] of [
    ['of nobody knows which process', null],
    ['of a process that has gone before', 4_194_304],
  ] as const)
    test(`${name} is a restart`, async (t) => {
      const { done } = await begin(t, 'force_restart', pid, turn());
      await done;
      t.mock.timers.tick(15);
    });
});
