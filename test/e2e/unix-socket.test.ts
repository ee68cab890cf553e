import assert from 'node:assert/strict';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { ECOSYSTEM, openPm2Sandbox, openUpstream } from '../support/pm2/pm2-sandbox.ts';

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
  const sandbox = openPm2Sandbox();
  t.after(() => sandbox.close());
  t.after(() => upstream.close());
  const inner = join(sandbox.folder, 'inner.sock');
  const outer = join(sandbox.folder, 'outer.sock');
  const probe = { type: 'http' };
  sandbox.configure([
    { listen: `unix:${inner}`, upstream: `127.0.0.1:${upstream.port}`, probe },
    { listen: `unix:${outer}`, upstream: `unix:${inner}`, probe },
  ]);
  await sandbox.pm2('start', ECOSYSTEM);
  const { pid, name } = await sandbox.proxyUntil('inner.sock', isUp);
  assert.equal(name, 'unix-proxy-inner.sock');
  await sandbox.proxyUntil('outer.sock', isUp);
  assert.equal(await get(outer), 'the upstream');

  process.kill(Number(pid), 'SIGKILL');
  await sandbox.proxyUntil('inner.sock', (now) => isUp(now) && now.pid !== pid);
  await sandbox.proxyUntil('outer.sock', isUp);
  assert.equal(await get(outer), 'the upstream');
  const { code, stdout } = await sandbox.steadyport('status', 'inner.sock');
  assert.equal(code, 0, stdout);
  assert.match(stdout, /✓ inner\.sock {2}socket inner\.sock {2}up/);
});
