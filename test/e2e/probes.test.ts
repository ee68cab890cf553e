import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chownSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { ECOSYSTEM, openPm2Sandbox } from '../support/pm2/pm2-sandbox.ts';
import { makeCertificate } from '../support/programs/certificate.ts';
import { DAEMON, openStage, type Stage } from '../support/programs/stage.ts';
import { dial, freePort, serve } from '../support/proxy/proxy-harness.ts';
import { needs, needsProgram } from '../support/requirements.ts';
import { until } from '../support/until.ts';

/** Debian keeps PostgreSQL's programs off the PATH, in a folder for each version. */
const VERSIONS = '/usr/lib/postgresql';
const newestVersion = (): string =>
  existsSync(VERSIONS) ? (readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a))[0] ?? '15') : '15';
const postgres = (program: string): string => join(VERSIONS, newestVersion(), 'bin', program);

const isUp = ({ state }: ProxyStatus): boolean => state === 'up';
const isDown = ({ state }: ProxyStatus): boolean => state === 'down';
const on = (port: number, host = '127.0.0.1'): string => `${host}:${port}`;

/**
 * A server with TLS that trusts the role "steady" and wants a password of everybody else.
 * @returns its log so far
 */
const startPostgres = async (stage: Stage, port: number): Promise<() => string> => {
  const data = join(stage.folder, 'data');
  const logFile = join(data, 'log/server.log');
  const init = ['-D', data, '-U', 'steady', '-A', 'trust', '--no-sync'];
  await stage.run(postgres('initdb'), init, { ids: DAEMON.ids });
  const { file, key } = makeCertificate(stage.folder);
  const keyFile = join(data, 'server.key');
  writeFileSync(keyFile, key, { mode: 0o600 });
  const { uid, gid } = DAEMON.ids;
  if (uid !== undefined && gid !== undefined) chownSync(keyFile, uid, gid);
  const everybody = 'host all all 127.0.0.1/32 scram-sha-256';
  writeFileSync(join(data, 'pg_hba.conf'), `host all steady 127.0.0.1/32 trust\n${everybody}\n`);
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    ssl: 'on',
    ssl_cert_file: file,
    ssl_key_file: keyFile,
    fsync: 'off',
    logging_collector: 'on',
    log_filename: 'server.log',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const args = ['-D', data, ...options];
  await stage.serve(postgres('postgres'), args, /redirecting log output/, DAEMON.ids);
  const log = (): string => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '');
  await until(() => log().includes('ready to accept connections'), 'PostgreSQL is ready');
  return log;
};

/** Each test has a PM2 of its own, and waits most of the time. */
describe('probes of real programs', { concurrency: true }, () => {
  test('a proxy whose Redis answers PING is up, and one whose upstream accepts and is silent is down and says so', {
    skip: needs(needsProgram('redis-server', 'redis-server')),
  }, async (t) => {
    const stage = openStage(t);
    const [redis, port, silentPort] = [await freePort(), await freePort(), await freePort()];
    const config = ['--port', `${redis}`, '--bind', '127.0.0.1', '--dir', stage.folder, '--save', ''];
    await stage.serve('redis-server', config, /Ready to accept connections/);
    const silent = await serve(t, () => {});
    const sandbox = openPm2Sandbox();
    t.after(() => sandbox.close());
    const probe = { type: 'expect', send: 'PING\r\n', expect: '+PONG' };
    sandbox.configure([
      { listen: on(port), upstream: on(redis), probe },
      { listen: on(silentPort), upstream: on(silent.port), probe },
    ]);
    await sandbox.pm2('start', ECOSYSTEM);

    const up = await sandbox.proxyUntil(port, (now) => isUp(now) && now.checkMs !== null);
    assert.equal(up.connections.total, 0, 'the checks through it are not counted');
    const client = dial(t, { host: '127.0.0.1', port });
    client.write('PING\r\n');
    assert.equal(String((await once(client, 'data'))[0]), '+PONG\r\n');

    const down = await sandbox.proxyUntil(silentPort, isDown);
    assert.equal(down.detail, `${on(silent.port)}: no answer within 2000 ms`);
    assert.equal(down.cause, 'upstream_unhealthy');
    assert.deepEqual(down.restarts, { crash: 0, forced: 0 });
    const { code, stdout } = await sandbox.steadyport('status', String(silentPort));
    assert.equal(code, 1);
    assert.match(stdout, /no answer within 2000 ms/);
  });

  test('a proxy whose Redis wants a password is up by its own kind of probe, and one in front of another server is not', {
    skip: needs(needsProgram('redis-server', 'redis-server')),
  }, async (t) => {
    const stage = openStage(t);
    const redis = await freePort();
    const port = await freePort();
    const otherPort = await freePort();
    const config = ['--port', `${redis}`, '--bind', '127.0.0.1', '--dir', stage.folder, '--save', ''];
    await stage.serve('redis-server', [...config, '--requirepass', 'secret'], /Ready to accept connections/);
    const other = await serve(t, (socket) =>
      socket.write('-LOADING Redis is loading the dataset in memory\r\n'),
    );
    const sandbox = openPm2Sandbox();
    t.after(() => sandbox.close());
    sandbox.configure([
      { listen: on(port), upstream: on(redis), probe: { type: 'redis' } },
      { listen: on(otherPort), upstream: on(other.port), probe: { type: 'redis' } },
    ]);
    await sandbox.pm2('start', ECOSYSTEM);
    await sandbox.proxyUntil(port, (now) => isUp(now) && now.checkMs !== null);
    const down = await sandbox.proxyUntil(otherPort, isDown);
    assert.equal(down.cause, 'upstream_unhealthy');
    assert.match(
      down.detail ?? '',
      /the answer is "-LOADING Redis is loading the dataset in memory", expected/,
    );
  });

  test('a proxy whose PostgreSQL takes logins is up, with a password, without one and over TLS, and nothing is logged', {
    skip: needs(needsProgram(postgres('postgres'), 'postgresql'), needsProgram('openssl', 'openssl')),
  }, async (t) => {
    const stage = openStage(t);
    const upstream = await freePort();
    const log = await startPostgres(stage, upstream);
    const scram = await freePort();
    const trust = await freePort();
    const secure = await freePort();
    const sandbox = openPm2Sandbox();
    t.after(() => sandbox.close());
    const probe = { type: 'postgres', user: 'steady', database: 'postgres' };
    sandbox.configure([
      { listen: on(scram), upstream: on(upstream), probe: { type: 'postgres' } },
      { listen: on(trust), upstream: on(upstream), probe },
      { listen: on(secure), upstream: on(upstream), probe: { ...probe, tls: true } },
    ]);
    await sandbox.pm2('start', ECOSYSTEM);
    for (const port of [scram, trust, secure])
      await sandbox.proxyUntil(port, (now) => isUp(now) && now.checkMs !== null);
    assert.doesNotMatch(log(), /FATAL|ERROR|WARNING|EOF|could not|incomplete|invalid/);
  });

  test('a proxy whose upstream has TLS is up, verified only where that is asked for', {
    skip: needs(needsProgram('openssl', 'openssl')),
  }, async (t) => {
    const { key, cert, file } = makeCertificate(openStage(t).folder);
    const server = createServer({ key, cert }, (_, response) => response.end('an application'));
    server.listen({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    const { port: upstream } = server.address() as AddressInfo;
    const sandbox = openPm2Sandbox({ NODE_EXTRA_CA_CERTS: file });
    t.after(async () => {
      await sandbox.close();
      server.close();
      server.closeAllConnections();
    });
    const [any, verified, otherName] = [await freePort(), await freePort(), await freePort()];
    const probe = { type: 'http', body: 'application', tls: 'verify' };
    sandbox.configure([
      { listen: on(any), upstream: on(upstream, 'localhost'), probe: { ...probe, tls: true } },
      { listen: on(verified), upstream: on(upstream), probe },
      { listen: on(otherName), upstream: on(upstream, 'localhost'), probe },
    ]);
    await sandbox.pm2('start', ECOSYSTEM);
    for (const port of [any, verified])
      await sandbox.proxyUntil(port, (now) => isUp(now) && now.checkMs !== null);
    const refused = `GET / at ${on(upstream)}: TLS failed (ERR_TLS_CERT_ALTNAME_INVALID)`;
    await sandbox.proxyUntil(otherName, (now) => isDown(now) && now.detail === refused);
  });
});
