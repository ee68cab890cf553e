import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { serveWithRetry } from '../../../src/http/listen-with-retry.ts';
import { HAS_PROCFS } from '../../../src/system/proc/procfs.ts';

test('an address that another process holds has no URL, and a problem that names the holder', async (t) => {
  const holder = createServer().listen(0, '127.0.0.1');
  t.after(() => holder.close());
  await once(holder, 'listening');
  const { port } = holder.address() as { port: number };
  const lines: string[] = [];
  const metrics = { contentType: 'text/plain', render: async () => '' };
  const status = () => assert.fail('not asked');
  const http = await serveWithRetry(
    { host: '127.0.0.1', port },
    { status, proxies: [], allowedHosts: [], metrics },
    (event, text) => lines.push(`${event} ${text}`),
  );
  assert.equal(http.url, null);
  const owner = HAS_PROCFS ? ` by pid ${process.pid} (${process.execPath}` : '';
  assert.ok(http.problem?.startsWith(`127.0.0.1:${port} is in use${owner}`), String(http.problem));
  assert.equal(lines[0], `http_listen_failed No page: ${http.problem}; trying again`);
});
