import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { NO_SAMPLES, usageOf } from '../../../src/health/resource-limits.ts';
import { serveHttp } from '../../../src/http/server.ts';
import { NO_ALERTS, type ProxyStatus, type Snapshot } from '../../../src/status/snapshot.ts';

const proxy: ProxyStatus = {
  name: 'tcp-proxy-7000',
  id: '7000',
  port: 7000,
  label: 'a port',
  listen: ['127.0.0.1:7000'],
  upstream: '127.0.0.1:7001',
  optional: false,
  state: 'up',
  cause: null,
  since: 1,
  detail: null,
  pid: 7,
  pm2: 'online',
  engine: 'portable',
  engineReason: null,
  restarts: { crash: 1, forced: 2 },
  failures: { consecutive: 0, sinceHealthy: 0, total: 3 },
  failureThreshold: 3,
  recovery: { count: 1, lastMs: 200, meanMs: 200 },
  uptimePercent: 99.5,
  incidents: [],
  warnings: [],
  usage: usageOf(NO_SAMPLES),
  nextRestartAt: null,
  connections: { active: 4, total: 5 },
  checkMs: 6,
  portOwner: null,
  urls: [],
  answersOnOwnAddress: null,
};
const monitor = {
  pid: 8,
  version: '1.2.3',
  startedAt: 1,
  intervalMs: 1_000,
  lastCheckAt: 2,
  pm2Problem: null,
  checkProblem: null,
  http: null,
  alerts: NO_ALERTS,
};

test('the pages answer from the status, and an unknown path gets the list of pages', async (t) => {
  let snapshot: Snapshot = {
    version: 2,
    monitorProblem: null,
    generatedAt: 3,
    monitor,
    proxies: [proxy],
    log: [],
  };
  const server = await serveHttp(
    { host: '127.0.0.1', port: 0 },
    {
      status: () => snapshot,
      proxies: [],
      metrics: { contentType: 'text/plain', render: async () => 'metrics\n' },
    },
  );
  t.after(() => server.close());
  const get = async (path: string, method = 'GET'): Promise<[number, string]> => {
    const { port } = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { connection: 'close' },
    });
    return [response.status, await response.text()];
  };
  assert.deepEqual(JSON.parse((await get('/api/v1/status'))[1]), snapshot);
  assert.deepEqual(await get('/healthz'), [200, '{"ok":true}\n']);
  assert.deepEqual(await get('/readyz'), [200, '{"ok":true}\n']);
  assert.deepEqual(await get('/metrics'), [200, 'metrics\n']);
  assert.deepEqual(await get('/api/v1/targets/ports'), [200, '[]\n']);
  const { port } = server.address() as AddressInfo;
  const reached = `127.0.0.1:${port}`;
  assert.deepEqual(JSON.parse((await get('/api/v1/targets/monitor'))[1]), [
    { targets: [reached], labels: { host: hostname() } },
  ]);

  const healthy = snapshot;
  snapshot = { ...healthy, monitor: { ...monitor, checkProblem: 'port 6274: a bug' } };
  assert.deepEqual(await get('/readyz'), [503, '{"ok":false}\n']);
  snapshot = { ...healthy, proxies: [{ ...proxy, state: 'down', cause: 'hung' }] };
  assert.equal((await get('/readyz'))[0], 503);
  assert.deepEqual((await get('/nothing'))[0], 404);
  assert.match((await get('/nothing'))[1], /\/api\/v1\/status/);
  assert.equal((await get('/healthz', 'POST'))[0], 405);
});

test('a busy address is an error with its port', async (t) => {
  const fail = (): never => assert.fail();
  const sources = { status: fail, proxies: [], metrics: { contentType: '', render: fail } };
  const first = await serveHttp({ host: '127.0.0.1', port: 0 }, sources);
  t.after(() => first.close());
  const { port } = first.address() as AddressInfo;
  await assert.rejects(serveHttp({ host: '127.0.0.1', port }, sources), { code: 'EADDRINUSE', port });
});
