import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { isAlive } from '../../src/system/proc/procfs.ts';
import { openPm2Sandbox, openUpstream } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { until } from '../support/until.ts';

/**
 * Runs the command of the unit of `pm2 startup` (pm2/lib/templates/init-scripts/systemd.tpl) with the environment that
 * systemd gives it.
 */
const resurrect = (env: Readonly<Record<string, string>>): Promise<unknown> => {
  const { PATH = '', HOME = '', PM2_HOME = '' } = env;
  const pm2 = createRequire(join(process.cwd(), 'package.json')).resolve('pm2/bin/pm2');
  return promisify(execFile)(process.execPath, [pm2, 'resurrect'], {
    env: { PATH, HOME, PM2_HOME, INVOCATION_ID: 'planted-secret' },
  });
};

test('after a crash of the machine, the apps of pm2 save come back by themselves, as they were configured', async (t) => {
  const sandbox = openPm2Sandbox();
  const upstream = await openUpstream();
  t.after(() => sandbox.close());
  t.after(() => upstream.close());
  const port = await freePort();
  sandbox.configure([{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }]);
  assert.equal((await sandbox.steadyport('start')).code, 0);
  const { pid } = await sandbox.proxyUntil(port, ({ state }) => state === 'up');
  await sandbox.pm2('save');
  const { monitor } = (await sandbox.ask()) ?? {};
  const daemon = Number(readFileSync(join(sandbox.folder, 'pm2/pm2.pid'), 'utf8'));
  const pids = [daemon, Number(monitor?.pid), Number(pid)];
  for (const each of pids) process.kill(each, 'SIGKILL');
  await until(() => !pids.some(isAlive), 'the end of all processes');

  await resurrect(sandbox.env);
  await sandbox.proxyUntil(port, (now) => now.state === 'up' && now.pid !== pid && now.pm2 === 'online');
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'the upstream');
  assert.match((await sandbox.steadyport('start')).stdout, /nothing was touched/);
  assert.doesNotMatch((await sandbox.pm2('jlist')).stdout, /planted-secret/);
});
