import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Pm2Evidence, Remedy } from '../../../src/health/types.ts';
import type { AppDefinition } from '../../../src/pm2/apps.ts';
import type { Pm2, Pm2App, Pm2View } from '../../../src/pm2/client.ts';
import { createRestarter, UntriedError } from '../../../src/pm2/restart.ts';
import { HAS_PROCFS, readProcess } from '../../../src/system/proc/procfs.ts';
import { type Child, startChild } from '../../support/child-process.ts';
import { needs } from '../../support/requirements.ts';

const NAME = 'tcp-proxy-6274';
const APP = { name: NAME } as AppDefinition;
const AWAY: Pm2View = { ok: false, problem: 'the PM2 daemon is not running' };

const DAEMON = 1;

/** PM2's list with the app in it; without a status, an empty list. */
const listed = (status?: Pm2Evidence, pid: number | null = 100, env: Pm2App['env'] = {}): Pm2View => ({
  ok: true,
  daemonPid: DAEMON,
  apps: new Map(status ? [[NAME, { pid, status, statusText: status, env }]] : []),
});

/** A PM2 that gives these lists one after the other, then the last one again and again, and whose actions run `on`. */
const fakePm2 = (views: readonly Pm2View[], on: Partial<Pm2> = {}) => {
  const calls: string[] = [];
  const remaining = [...views];
  const recorded = (name: 'start' | 'restart' | 'stop' | 'delete') => async (argument: never) => {
    calls.push(name);
    await on[name]?.(argument);
  };
  const pm2: Pm2 = {
    list: async () => (remaining.length > 1 ? remaining.shift() : remaining[0]) ?? AWAY,
    start: recorded('start'),
    restart: recorded('restart'),
    stop: recorded('stop'),
    reloadLogs: async () => {},
    delete: recorded('delete'),
    deleteCopy: async () => {},
    subscribe: () => {},
    close: () => {},
  };
  const restart = createRestarter(pm2);
  return {
    calls,
    restart: (
      remedy: Exclude<Remedy, 'relisten'>,
      app: AppDefinition,
      pid: number | null,
      daemonPid: number | null = null,
    ) => restart(remedy, app, pid, daemonPid),
  };
};

const sleeper = (t: TestContext) => startChild(t, 'sleep', ['1000']);

describe('a PM2 that cannot be reached: nothing is begun', () => {
  for (const remedy of ['start', 'restart', 'force_restart'] as const)
    test(remedy, async (t) => {
      const child = sleeper(t);
      const { calls, restart } = fakePm2([AWAY]);
      const isUntried = (error: Error): boolean =>
        error instanceof UntriedError && error.message === 'the PM2 daemon is not running';
      await assert.rejects(restart(remedy, APP, child.pid), isUntried);
      assert.deepEqual(calls, []);
      assert.equal(child.signalCode, null);
    });
});

describe('starting', () => {
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

  test('an app that the same daemon had before: nothing, the operator has deleted it since the check', async () => {
    const { calls, restart } = fakePm2([listed()]);
    await restart('start', APP, null, DAEMON);
    assert.deepEqual(calls, []);
  });

  test('an app that another daemon had before: start', async () => {
    const { calls, restart } = fakePm2([listed()]);
    await restart('start', APP, null, DAEMON + 1);
    assert.deepEqual(calls, ['start']);
  });

  test('an app that a daemon of unknown pid does not have: nothing, it may have been deleted', async () => {
    const { calls, restart } = fakePm2([{ ok: true, daemonPid: null, apps: new Map() }]);
    await assert.rejects(restart('start', APP, null), /^Error: it is unknown which PM2 daemon answers$/);
    assert.deepEqual(calls, []);
  });

  test('an app whose stop fails: the restart follows all the same', async () => {
    const { calls, restart } = fakePm2([listed('gave_up')], { stop: () => Promise.reject(new Error('no')) });
    await restart('start', APP, null);
    assert.deepEqual(calls, ['stop', 'restart']);
  });

  test('an app that PM2 cannot restart: the error', async () => {
    const { restart } = fakePm2([listed('online')], { restart: () => Promise.reject(new Error('no')) });
    await assert.rejects(restart('start', APP, null), /^Error: no$/);
  });
});

describe('an app that the operator stops between the check and the remedy stays stopped', () => {
  for (const remedy of ['restart', 'force_restart'] as const)
    for (const status of ['stopped', 'stopping'] as const)
      test(`${remedy}, ${status}`, async () => {
        const { calls, restart } = fakePm2([listed(status)]);
        await assert.rejects(restart(remedy, APP, 100), /^Error: it was stopped meanwhile$/);
        assert.deepEqual(calls, []);
      });
});

describe('an app that PM2 is launching is stopped before it is restarted', () => {
  for (const remedy of ['restart', 'force_restart'] as const)
    test(remedy, async () => {
      const { calls, restart } = fakePm2([listed('launching', null)]);
      await restart(remedy, APP, null);
      assert.deepEqual(calls, ['stop', 'restart']);
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
  for (const remedy of ['restart', 'force_restart'] as const)
    for (const [view, isReplaced] of now) {
      const [app] = view.ok ? view.apps.values() : [];
      const listing = view.ok ? `${app?.status ?? 'not listed'}, pid ${app?.pid ?? 'none'}` : 'away';
      test(`${remedy}, and then ${listing}: ${isReplaced ? 'replaced all the same' : 'failed'}`, async () => {
        const { restart } = fakePm2([listed('online', 100), view], {
          restart: () => Promise.reject(new Error('Process 0 not found')),
        });
        const done = restart(remedy, APP, 100);
        if (isReplaced) await done;
        else await assert.rejects(done, /^Error: Process 0 not found$/);
      });
    }
});

/** The kernel gives the next process the pid after this one; only root may set it. */
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

/**
 * Starts another process with this pid, at another tick of the clock. It attempts again while other programs take the pid.
 */
const replace = async (t: TestContext, pid: number, startTicks: number): Promise<Child> => {
  for (let attempts = 0; attempts < 1_000; attempts += 1) {
    writeFileSync(LAST_PID.path, String(pid - 1));
    const child = sleeper(t);
    if (child.pid === pid && readProcess(pid)?.startTicks !== startTicks) return child;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  return assert.fail('the pid did not come again');
};

describe('killing an app that PM2 is stopping', {
  skip: needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)'),
}, () => {
  const OURS = { STEADYPORT_HOME: '/h', STEADYPORT_PROJECT: 'default', STEADYPORT_REVISION: '0' };
  const app = { name: NAME, env: OURS } as unknown as AppDefinition;
  const table: Readonly<Record<string, readonly [view: (pid: number) => Pm2View, isKilled: boolean]>> = {
    'and still stops': [(pid) => listed('stopping', pid, OURS), true],
    'and has stopped since': [() => listed('stopped', null, OURS), false],
    'and that runs again': [(pid) => listed('online', pid, OURS), false],
    'and that is another process by now': [(pid) => listed('stopping', pid + 1, OURS), false],
    'and that is deleted': [() => listed(), false],
    'of another project': [(pid) => listed('stopping', pid, { ...OURS, STEADYPORT_PROJECT: 'work' }), false],
    'of no project': [(pid) => listed('stopping', pid), false],
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

  test('kills nothing while PM2 cannot be reached', async (t) => {
    const child = sleeper(t);
    await assert.rejects(fakePm2([AWAY]).restart('kill', app, child.pid), /daemon is not running/);
    child.kill('SIGTERM');
    await once(child, 'exit');
    assert.equal(child.signalCode, 'SIGTERM');
  });
});

describe('a forced restart', { skip: needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)') }, () => {
  /** Begins a restart that PM2 ends when `exited` resolves, under a mocked clock. `kill` has the calls of process.kill. */
  const begin = async (
    t: TestContext,
    remedy: 'restart' | 'force_restart',
    pid: number | null,
    exited: Promise<unknown>,
  ) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { calls, restart } = fakePm2([listed('online', pid)], { restart: async () => void (await exited) });
    const done = restart(remedy, APP, pid);
    await turn();
    assert.deepEqual(calls, ['restart']);
    return { done, kill: t.mock.method(process, 'kill') };
  };
  /** Ends the child with SIGTERM; an earlier signal would have ended it first. */
  const assertUnharmed = async (child: Child): Promise<void> => {
    child.kill('SIGTERM');
    await once(child, 'exit');
    assert.equal(child.signalCode, 'SIGTERM');
  };
  const isAlive = ({ pid }: Child): boolean => !'ZX'.includes(readProcess(pid)?.state ?? 'X');

  test('kills a process that ignores SIGINT, after 15 ms', async (t) => {
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

  test('kills, a plain restart does not', async (t) => {
    const child = sleeper(t);
    const { done } = await begin(t, 'restart', child.pid, turn());
    await done;
    t.mock.timers.tick(60_000);
    await assertUnharmed(child);
  });

  test('does not kill a process that exits by itself', async (t) => {
    const child = sleeper(t);
    const { done, kill } = await begin(t, 'force_restart', child.pid, once(child, 'exit'));
    child.kill('SIGTERM');
    await done;
    t.mock.timers.tick(15);
    assert.equal(kill.mock.callCount(), 0);
  });

  test('does not kill another process that has the pid by then', {
    skip: needs(LAST_PID.problem),
  }, async (t) => {
    const child = sleeper(t);
    const startTicks = readProcess(child.pid)?.startTicks ?? 0;
    const { done } = await begin(t, 'force_restart', child.pid, once(child, 'exit'));
    child.kill('SIGTERM');
    await done;
    const successor = await replace(t, child.pid, startTicks);
    t.mock.timers.tick(15);
    await assertUnharmed(successor);
  });

  for (const [name, pid] of [
    ['of an unknown process', null],
    ['of a process that has ended before', 4_194_304],
  ] as const)
    test(`${name} is a plain restart`, async (t) => {
      const { done, kill } = await begin(t, 'force_restart', pid, turn());
      await done;
      t.mock.timers.tick(15);
      assert.equal(kill.mock.callCount(), 0);
    });
});
