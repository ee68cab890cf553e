import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { AppDefinition } from '../../src/pm2/apps.ts';
import { createPm2, type Pm2App } from '../../src/pm2/client.ts';
import { createRestarter } from '../../src/pm2/restart.ts';
import { isAlive } from '../../src/system/proc/procfs.ts';
import { openPm2Sandbox } from '../support/pm2/pm2-sandbox.ts';
import { until } from '../support/until.ts';

/** An app that PM2 is launching, since it never says that it is ready, and which writes down each of its processes. */
const rig = async (t: TestContext) => {
  const sandbox = openPm2Sandbox();
  const launches = join(sandbox.folder, 'launches');
  const slow = join(sandbox.folder, 'slow.cjs');
  const clock = join(sandbox.folder, 'clock.cjs');
  const config = join(sandbox.folder, 'slow.config.cjs');
  writeFileSync(
    slow,
    `require('node:fs').appendFileSync(${JSON.stringify(launches)}, process.pid + '\\n');
     setInterval(() => {}, 1_000);`,
  );
  writeFileSync(clock, 'process.exit();');
  writeFileSync(launches, '');
  const settings = { exec_mode: 'fork', exp_backoff_restart_delay: 100, max_restarts: 1e9, pmx: false };
  const apps = [{ ...settings, name: 'slow', script: slow, wait_ready: true, listen_timeout: 600_000 }];
  writeFileSync(config, `module.exports = ${JSON.stringify({ apps })};`);
  const starting = sandbox.tryPm2('start', config);
  const pm2 = createPm2(sandbox.env['PM2_HOME'] ?? '');
  const find = async (name: string): Promise<Pm2App | undefined> => {
    const view = await pm2.list();
    return view.ok ? view.apps.get(name) : undefined;
  };
  const pids = (): readonly number[] =>
    readFileSync(launches, 'utf8').split('\n').filter(Boolean).map(Number);
  const alive = (): readonly number[] => pids().filter((pid) => isAlive(pid));
  t.after(async () => {
    // The end of the daemon may leave a process behind that it was launching.
    await pm2.delete('slow').catch(() => {});
    pm2.close();
    const seen = pids();
    await sandbox.close();
    // Of a process that PM2 has lost, the sandbox knows nothing.
    for (const pid of seen.filter((each) => isAlive(each))) process.kill(pid, 'SIGKILL');
  });
  t.after(() => starting);
  await until(async () => (await find('slow'))?.status === 'launching' && pids().length === 1, 'the launch');
  return {
    pm2,
    alive,
    find: () => find('slow'),
    /** Waits until PM2 has restarted, again and again, an app that ended later: what it had planned before has come by then. */
    untilPlansAreDone: async (): Promise<void> => {
      await sandbox.pm2('start', clock, '--name', 'clock', '--exp-backoff-restart-delay', '100');
      const counted = async (): Promise<number> => {
        const list = JSON.parse((await sandbox.pm2('jlist')).stdout) as readonly {
          readonly name: string;
          readonly pm2_env: { readonly restart_time: number };
        }[];
        return list.find(({ name }) => name === 'clock')?.pm2_env.restart_time ?? 0;
      };
      await until(async () => (await counted()) >= 4, 'four restarts of the clock');
    },
  };
};

/** Each test has a PM2 of its own, and waits most of the time. */
describe('an app that PM2 is launching, which PM2 itself would launch again', { concurrency: true }, () => {
  test('stays deleted', async (t) => {
    const { pm2, alive, find, untilPlansAreDone } = await rig(t);
    await pm2.delete('slow');
    await untilPlansAreDone();
    assert.deepEqual([alive(), await find()], [[], undefined]);
  });

  test('stays stopped', async (t) => {
    const { pm2, alive, find, untilPlansAreDone } = await rig(t);
    await pm2.stop('slow');
    await untilPlansAreDone();
    assert.deepEqual([alive(), (await find())?.status], [[], 'stopped']);
  });

  test('runs once after a restart', async (t) => {
    const { pm2, alive, find, untilPlansAreDone } = await rig(t);
    const [pid] = alive();
    // PM2 answers when the app is ready, which this one never is.
    const restart = createRestarter(pm2);
    restart('restart', { name: 'slow' } as AppDefinition, Number(pid), null).catch(() => {});
    await until(() => alive().some((other) => other !== pid), 'the process of the restart');
    await untilPlansAreDone();
    assert.deepEqual(alive(), [(await find())?.pid]);
  });
});
