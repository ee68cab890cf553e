import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type ProbeResult, probeAccept, probeHttp, probeUpstream } from '../../src/monitor/probes.ts';
import { freePort, serve } from '../proxy/harness.ts';

const LIMIT_MS = 10_000;
const HTTP = { type: 'http', path: '/' } as const;

const serveHttp = async (
  t: TestContext,
  handle: RequestListener,
): Promise<{ host: string; port: number }> => {
  const server = createServer(handle);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', () => done()));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
};

const probe = (at: { host: string; port: number }, extra = {}): Promise<ProbeResult> =>
  probeHttp(at, at, { ...HTTP, ...extra }, LIMIT_MS);

test('an http probe wants the status, and the body where one is asked for', async (t) => {
  const at = await serveHttp(t, (request, response) => {
    response.statusCode = request.url === '/missing' ? 404 : 200;
    response.end('<title>an application</title>');
  });
  assert.equal((await probe(at)).ok, true);
  assert.equal((await probe(at, { body: 'an application' })).ok, true);
  const outcomes = [
    await probe(at, { body: 'another' }),
    await probe(at, { path: '/missing' }),
    await probe(at, { status: 204 }),
  ];
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.ok ? 'ok' : outcome.error.replace(/^.*?: /, ''))),
    ['the body has no "another"', 'status 404, expected 200 to 399', 'status 200, expected 204'],
  );
});

test('a stream that never ends is healthy by its headers, or as soon as the body has what is asked for', async (t) => {
  const at = await serveHttp(t, (_, response) => response.write('data: ready\n\n'));
  assert.equal((await probe(at)).ok, true);
  assert.equal((await probe(at, { body: 'ready' })).ok, true);
});

test('an upgrade, or an end without an answer, is a failure and not a wait for ever', async (t) => {
  const upgrade = await serve(t, (socket) =>
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
  );
  assert.equal((await probe(upgrade)).ok, false);
  const mute = await serve(t, (socket) => socket.destroy());
  assert.equal((await probe(mute)).ok, false);
});

test('to be accepted by the kernel alone does not pass for accepting', async (t) => {
  const { host, port } = await serve(t, (socket) => socket.pause());
  const outcome = await probeAccept({ host, port }, await freePort(), 200);
  assert.ok(!outcome.ok && outcome.error.endsWith('accepted nothing within 200 ms'));
});

test('a direct check names what it could not reach, and never asks the proxy about itself', async (t) => {
  const port = await freePort();
  const refused = await probeUpstream({ host: '127.0.0.1', port }, { type: 'tcp' }, [], LIMIT_MS);
  assert.ok(!refused.ok && refused.error === `127.0.0.1:${port} refused (ECONNREFUSED)`);
  const own = await serve(t, () => {});
  const self = await probeUpstream(own, { type: 'tcp' }, [own], LIMIT_MS);
  assert.ok(!self.ok && self.error === 'every address of 127.0.0.1 is the proxy itself');
});

test('a connection is closed again after a check', async (t) => {
  const closed = new Promise((done) => {
    void serve(t, (socket) => socket.once('close', done)).then(
      (at: { host: string; port: number; server: Server }) =>
        probeUpstream(at, { type: 'tcp' }, [], LIMIT_MS),
    );
  });
  await closed;
});
