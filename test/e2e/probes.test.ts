import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { makeCertificate } from '../support/certificate.ts';
import { ECOSYSTEM, openStation } from '../support/pm2-sandbox.ts';
import { openStage } from '../support/programs.ts';
import { dial, freePort, serve } from '../support/proxy-harness.ts';
import { needs, needsProgram } from '../support/requirements.ts';

const isUp = ({ state }: ProxyStatus): boolean => state === 'up';
const isDown = ({ state }: ProxyStatus): boolean => state === 'down';
const on = (port: number, host = '127.0.0.1'): string => `${host}:${port}`;

test('a proxy whose Redis answers PING is up, and one whose upstream accepts and is silent is down and says so', {
  skip: needs(needsProgram('redis-server', 'redis-server')),
}, async (t) => {
  const stage = openStage(t);
  const [redis, port, silentPort] = [await freePort(), await freePort(), await freePort()];
  const config = ['--port', `${redis}`, '--bind', '127.0.0.1', '--dir', stage.folder, '--save', ''];
  await stage.serve('redis-server', config, /Ready to accept connections/);
  const silent = await serve(t, () => {});
  const station = openStation();
  t.after(() => station.close());
  const probe = { type: 'expect', send: 'PING\r\n', expect: '+PONG' };
  station.configure([
    { listen: on(port), upstream: on(redis), probe },
    { listen: on(silentPort), upstream: on(silent.port), probe },
  ]);
  const started = await station.pm2('start', ECOSYSTEM);
  assert.equal(started.code, 0, started.stderr);

  const up = await station.proxyUntil(port, (now) => isUp(now) && now.checkMs !== null);
  assert.equal(up.connections.total, 0, 'the checks through it are not counted');
  const client = dial(t, { host: '127.0.0.1', port });
  client.write('PING\r\n');
  assert.equal(String((await once(client, 'data'))[0]), '+PONG\r\n');

  const down = await station.proxyUntil(silentPort, isDown);
  assert.equal(down.detail, `${on(silent.port)}: no answer within 2000 ms`);
  assert.equal(down.cause, 'upstream_unhealthy');
  assert.deepEqual(down.restarts, { crash: 0, forced: 0 });
  const { code, stdout } = await station.steadyport('status', String(silentPort));
  assert.equal(code, 1);
  assert.match(stdout, /no answer within 2000 ms/);
});

test('a proxy whose upstream has TLS is up, verified only where that is asked for', {
  skip: needs(needsProgram('openssl', 'openssl')),
}, async (t) => {
  const { key, cert, file } = makeCertificate(openStage(t).folder);
  const server = createServer({ key, cert }, (_, response) => response.end('an application'));
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const { port: upstream } = server.address() as AddressInfo;
  const station = openStation({ NODE_EXTRA_CA_CERTS: file });
  t.after(async () => {
    await station.close();
    server.close();
    server.closeAllConnections();
  });
  const [any, verified, otherName] = [await freePort(), await freePort(), await freePort()];
  const probe = { type: 'http', body: 'application', tls: 'verify' };
  station.configure([
    { listen: on(any), upstream: on(upstream, 'localhost'), probe: { ...probe, tls: true } },
    { listen: on(verified), upstream: on(upstream), probe },
    { listen: on(otherName), upstream: on(upstream, 'localhost'), probe },
  ]);
  const started = await station.pm2('start', ECOSYSTEM);
  assert.equal(started.code, 0, started.stderr);
  for (const port of [any, verified])
    await station.proxyUntil(port, (now) => isUp(now) && now.checkMs !== null);
  const { detail } = await station.proxyUntil(otherName, isDown);
  assert.equal(detail, `GET / at ${on(upstream)}: TLS failed (ERR_TLS_CERT_ALTNAME_INVALID)`);
});
