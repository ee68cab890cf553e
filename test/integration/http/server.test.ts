import assert from 'node:assert/strict';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { type TestContext, test } from 'node:test';
import { serveHttp } from '../../../src/http/server.ts';
import type { Snapshot } from '../../../src/status/snapshot.ts';
import { MONITOR, problemOf, proxyStatus, snapshotOf } from '../../support/health/status-samples.ts';

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

interface Client {
  readonly port: number;
  get(
    path: string,
    options?: { readonly method?: string; readonly host?: string; readonly accept?: string },
  ): Promise<Answer>;
}

/** Serves the pages of what `status` returns, and returns a client of them. */
const serve = async (t: TestContext, status: () => Snapshot): Promise<Client> => {
  const metrics = { contentType: 'text/plain', render: async () => 'metrics\n' };
  const server = await serveHttp(
    { host: '127.0.0.1', port: 0 },
    { status, proxies: [], allowedHosts: ['Ops.example.com'], metrics },
  );
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const get: Client['get'] = (path, { method = 'GET', host, accept = '*/*' } = {}) =>
    new Promise((resolve, reject) => {
      const headers = { accept, ...(host === undefined ? {} : { host }) };
      request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        response.on('end', () => resolve({ status: response.statusCode, body }));
      })
        .on('error', reject)
        .end();
    });
  return { port, get };
};

const json = (status: number, value: unknown): Answer => ({ status, body: `${JSON.stringify(value)}\n` });

test('the pages answer from the status, and an unknown path gets the list of pages', async (t) => {
  const snapshot = snapshotOf(proxyStatus({}));
  const { port, get } = await serve(t, () => snapshot);
  assert.deepEqual(await get('/api/v1/status'), json(200, snapshot));
  assert.deepEqual(await get('/healthz'), json(200, { ok: true }));
  assert.deepEqual(await get('/readyz'), json(200, { ok: true }));
  assert.deepEqual(await get('/metrics'), { status: 200, body: 'metrics\n' });
  assert.deepEqual(await get('/api/v1/targets/ports'), json(200, []));
  assert.deepEqual(
    await get('/api/v1/targets/monitor'),
    json(200, [{ targets: [`127.0.0.1:${port}`], labels: { host: hostname() } }]),
  );
  const missing = await get('/nothing');
  assert.equal(missing.status, 404);
  assert.match(missing.body, /\/api\/v1\/status/);
  assert.equal((await get('/healthz', { method: 'POST' })).status, 405);
});

test('/ lists the pages, with links for a browser, and each of them answers', async (t) => {
  const { get } = await serve(t, () => snapshotOf(proxyStatus({})));
  const forBrowser = await get('/', { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' });
  const links = [...forBrowser.body.matchAll(/<a href="([^"]+)">\1<\/a>/g)].map(([, path]) => path ?? '');
  assert.ok(links.includes('/api/v1/status') && links.includes('/metrics'), forBrowser.body);
  for (const path of links) assert.equal((await get(path)).status, 200, path);
  const { status, body } = await get('/');
  assert.equal(status, 200);
  for (const path of links) assert.match(body, new RegExp(`^${path} +\\w`, 'm'));
  assert.doesNotMatch(body, /</);
  assert.equal((await get('/', { host: 'rebound.example' })).status, 421);
});

test('/readyz says what is not ready', async (t) => {
  let snapshot = snapshotOf(proxyStatus({}));
  const { get } = await serve(t, () => snapshot);
  snapshot = {
    ...snapshot,
    monitor: { ...MONITOR, problems: [problemOf('checks_fail', 'port 6274: a bug', 'report it')] },
  };
  assert.deepEqual(
    await get('/readyz'),
    json(503, { ok: false, problem: 'checks fail in the monitor itself: port 6274: a bug: report it' }),
  );
  snapshot = snapshotOf(proxyStatus({ state: 'down', cause: 'hung' }));
  assert.deepEqual(await get('/readyz'), json(503, { ok: false, problem: 'down: 6274 (hung)' }));
});

test('/readyz answers for one port, and 404 for a port that is not in the config', async (t) => {
  const snapshot = snapshotOf(
    proxyStatus({ state: 'down', cause: 'hung' }),
    proxyStatus({ port: 6277, state: 'stopped' }),
  );
  const { get } = await serve(t, () => snapshot);
  assert.equal((await get('/readyz')).status, 503);
  assert.equal((await get('/readyz?port=6274')).status, 503);
  assert.deepEqual(await get('/readyz?port=6277'), json(200, { ok: true }));
  assert.deepEqual(await get('/readyz?port=tcp-proxy-6277'), json(200, { ok: true }));
  assert.deepEqual(
    await get('/readyz?port=9000'),
    json(404, { error: 'no such port; there is: 6274, 6277' }),
  );
  assert.equal((await get('/readyz?port=')).status, 404);
});

test('a name that is not allowed gets 421, which names the key', async (t) => {
  const { get } = await serve(t, () => snapshotOf(proxyStatus({})));
  const refused = json(421, {
    error:
      '"rebound.example:6270" is not a name of this monitor; use an IP address, or add the name to ' +
      'monitor.allowedHosts in steadyport.json',
  });
  for (const path of ['/api/v1/status', '/api/v1/targets/monitor', '/api/v1/targets/ports', '/nothing'])
    assert.deepEqual(await get(path, { host: 'rebound.example:6270' }), refused);
  for (const path of ['/metrics', '/healthz', '/readyz'])
    assert.equal((await get(path, { host: 'rebound.example' })).status, 200, path);
  for (const host of ['10.1.2.3:80', hostname(), 'ops.example.com:443'])
    assert.equal((await get('/api/v1/status', { host })).status, 200, host);
});

test('a busy address is an error with its port', async (t) => {
  const { port } = await serve(t, () => snapshotOf());
  const fail = (): never => assert.fail();
  const sources = { status: fail, proxies: [], allowedHosts: [], metrics: { contentType: '', render: fail } };
  await assert.rejects(serveHttp({ host: '127.0.0.1', port }, sources), { code: 'EADDRINUSE', port });
});
