import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { ECOSYSTEM, openPm2Sandbox, openUpstream } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { needs, needsPeer, peerPath } from '../support/requirements.ts';

/** Users have a global PM2 of their own. ecosystem.config.js must work with it, and the monitor with its daemon. */
test('a PM2 6 runs, shows and restarts the apps', { skip: needs(needsPeer('pm2-6')) }, async (t) => {
  const sandbox = openPm2Sandbox({}, peerPath('pm2-6', 'bin/pm2'));
  t.after(() => sandbox.close());
  const upstream = await openUpstream();
  t.after(() => upstream.close());
  const port = await freePort();
  sandbox.configure([
    { listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}`, probe: { type: 'http' } },
  ]);
  await sandbox.pm2('start', ECOSYSTEM);
  assert.match((await sandbox.pm2('--version')).stdout, /^6\./m);
  const { pid } = await sandbox.proxyUntil(port, ({ state }) => state === 'up');
  process.kill(Number(pid), 'SIGSTOP');
  const back = await sandbox.proxyUntil(port, (now) => now.state === 'up' && now.pid !== pid);
  assert.equal(back.restarts.forced, 1, sandbox.log('proxy-monitor'));
  await sandbox.pm2('restart', `tcp-proxy-${port}`);
  await sandbox.proxyUntil(port, (now) => now.state === 'up' && now.pid !== back.pid);
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'the upstream');
  sandbox.configure([{ listen: 'x', upstream: '' }]);
  const broken = await sandbox.tryPm2('restart', join(ECOSYSTEM));
  assert.equal(broken.code, 2);
  assert.doesNotMatch(broken.stderr, /^\s+at /m);
});
