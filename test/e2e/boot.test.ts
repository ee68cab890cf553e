import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { isAlive } from '../../src/system/proc/procfs.ts';
import { openStation, openUpstream } from '../support/pm2-sandbox.ts';
import { freePort } from '../support/proxy-harness.ts';

/** What the unit of `pm2 startup` runs (pm2/lib/templates/init-scripts/systemd.tpl), with what systemd gives it. */
const resurrect = (env: Readonly<Record<string, string>>): Promise<unknown> => {
  const { PATH = '', HOME = '', PM2_HOME = '' } = env;
  const pm2 = createRequire(join(process.cwd(), 'package.json')).resolve('pm2/bin/pm2');
  return promisify(execFile)(process.execPath, [pm2, 'resurrect'], {
    env: { PATH, HOME, PM2_HOME, INVOCATION_ID: 'planted-secret' },
  });
};

test('after a crash of the machine, what pm2 save wrote comes back by itself, as it was configured', async (t) => {
  const [station, upstream] = [openStation(), await openUpstream()];
  t.after(() => station.close());
  t.after(() => upstream.close());
  const port = await freePort();
  station.configure([{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }]);
  assert.equal((await station.steadyport('start')).code, 0);
  const { pid } = await station.proxyUntil(port, ({ state }) => state === 'up');
  assert.equal((await station.pm2('save')).code, 0);
  const { monitor } = await station.status();
  const daemon = Number(readFileSync(join(station.folder, 'pm2/pm2.pid'), 'utf8'));
  const all = [daemon, Number(monitor?.pid), Number(pid)];
  for (const one of all) process.kill(one, 'SIGKILL');
  while (all.some(isAlive)) await new Promise((done) => setImmediate(done));

  await resurrect(station.env);
  await station.proxyUntil(port, (now) => now.state === 'up' && now.pid !== pid && now.pm2 === 'online');
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'the upstream');
  assert.match((await station.steadyport('start')).stdout, /nothing was touched/);
  assert.doesNotMatch((await station.pm2('jlist')).stdout, /planted-secret/);
});
