import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { ECOSYSTEM, openStation, openUpstream } from '../support/pm2-sandbox.ts';
import { freePort } from '../support/proxy-harness.ts';
import { needs, needsPeer, peerPath } from '../support/requirements.ts';

/** Users have a global PM2 of their own: ecosystem.config.js must work with it, and the monitor with its daemon. */
test('a PM2 6 runs, shows and restarts the apps', { skip: needs(needsPeer('pm2-6')) }, async (t) => {
  const station = openStation({}, peerPath('pm2-6', 'bin/pm2'));
  t.after(() => station.close());
  const upstream = await openUpstream();
  t.after(() => upstream.close());
  const port = await freePort();
  station.configure([
    { listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}`, probe: { type: 'http' } },
  ]);
  const started = await station.pm2('start', ECOSYSTEM);
  assert.equal(started.code, 0, started.stderr);
  assert.match((await station.pm2('--version')).stdout, /^6\./m);
  const { pid } = await station.proxyUntil(port, ({ state }) => state === 'up');
  process.kill(Number(pid), 'SIGSTOP');
  const back = await station.proxyUntil(port, (now) => now.state === 'up' && now.pid !== pid);
  assert.equal(back.restarts.forced, 1, station.log('proxy-monitor'));
  assert.equal((await station.pm2('restart', `tcp-proxy-${port}`)).code, 0);
  await station.proxyUntil(port, (now) => now.state === 'up' && now.pid !== back.pid);
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'the upstream');
  station.configure([{ listen: 'x', upstream: '' }]);
  const broken = await station.pm2('restart', join(ECOSYSTEM));
  assert.equal(broken.code, 2);
  assert.doesNotMatch(broken.stderr, /^\s+at /m);
});
