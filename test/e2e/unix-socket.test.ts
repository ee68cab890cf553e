import assert from 'node:assert/strict';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { ECOSYSTEM, openStation, openUpstream } from '../support/pm2-sandbox.ts';

const isUp = ({ state }: ProxyStatus): boolean => state === 'up';

const get = (socketPath: string): Promise<string> =>
  new Promise((done, fail) => {
    const call = request(
      { socketPath, path: '/', agent: false },
      (response) => void text(response).then(done),
    );
    call.on('error', fail).end();
  });

test('a chain of a proxy on a unix socket and one in front of it is up under PM2, also after a kill -9', async (t) => {
  const upstream = await openUpstream();
  const station = openStation();
  t.after(() => station.close());
  t.after(() => upstream.close());
  const [inner, outer] = ['inner.sock', 'outer.sock'].map((name) => join(station.folder, name)) as [
    string,
    string,
  ];
  const probe = { type: 'http' };
  station.configure([
    { listen: `unix:${inner}`, upstream: `127.0.0.1:${upstream.port}`, probe },
    { listen: `unix:${outer}`, upstream: `unix:${inner}`, probe },
  ]);
  const started = await station.pm2('start', ECOSYSTEM);
  assert.equal(started.code, 0, started.stderr);
  const { pid, name } = await station.proxyUntil('inner.sock', isUp);
  assert.equal(name, 'unix-proxy-inner.sock');
  await station.proxyUntil('outer.sock', isUp);
  assert.equal(await get(outer), 'the upstream');

  process.kill(Number(pid), 'SIGKILL');
  await station.proxyUntil('inner.sock', (now) => isUp(now) && now.pid !== pid);
  await station.proxyUntil('outer.sock', isUp);
  assert.equal(await get(outer), 'the upstream');
  const { code, stdout } = await station.steadyport('status', 'inner.sock');
  assert.equal(code, 0, stdout);
  assert.match(stdout, /✓ inner\.sock {2}socket inner\.sock {2}up/);
});
