import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { ECOSYSTEM, openPm2Sandbox, openUpstream, type Pm2Sandbox } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { until } from '../support/until.ts';

const isUp = ({ state }: ProxyStatus): boolean => state === 'up';

interface Running {
  readonly sandbox: Pm2Sandbox;
  readonly ports: readonly number[];
  readonly upstreamPort: number;
}

const configure = ({ sandbox, upstreamPort }: Running, ports: readonly number[]): void =>
  sandbox.configure(
    ports.map((port) => ({ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstreamPort}` })),
    { intervalMs: 100, fastIntervalMs: 50 },
  );

const run = async (t: TestContext, count = 1): Promise<Running> => {
  const sandbox = openPm2Sandbox();
  const upstream = await openUpstream();
  t.after(() => sandbox.close());
  t.after(() => upstream.close());
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  const running = { sandbox, ports, upstreamPort: upstream.port };
  configure(running, ports);
  await sandbox.pm2('start', ECOSYSTEM);
  for (const port of ports) await sandbox.proxyUntil(port, isUp);
  return running;
};

/** Another PM2 with the same config and state directory. */
const openSecond = (t: TestContext, { env }: Pm2Sandbox): Pm2Sandbox => {
  const { STEADYPORT_HOME = '', STEADYPORT_CONFIG = '' } = env;
  const second = openPm2Sandbox({ STEADYPORT_HOME, STEADYPORT_CONFIG });
  t.after(() => second.close());
  return second;
};

interface Listed {
  readonly name: string;
  readonly pid: number;
  readonly pm2_env: { readonly status: string; readonly restart_time: number };
}

const list = async (sandbox: Pm2Sandbox, app: string): Promise<readonly Listed[]> =>
  (JSON.parse((await sandbox.pm2('jlist')).stdout) as Listed[]).filter(({ name }) => name === app);

/** The restarts of each app of the name, by PM2's count. */
const restartsOf = async (sandbox: Pm2Sandbox, app: string): Promise<readonly number[]> =>
  (await list(sandbox, app)).map(({ pm2_env }) => pm2_env.restart_time);

const daemonOf = ({ folder }: Pm2Sandbox): string => readFileSync(join(folder, 'pm2/pm2.pid'), 'utf8').trim();

const ask = async (client: Socket): Promise<string> => {
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const [answer] = await Promise.race([
    new Promise<[Buffer]>((done) => client.once('data', (data) => done([data]))),
    new Promise<[Buffer]>((_, fail) => client.once('close', () => fail(new Error('the connection was cut')))),
  ]);
  return answer.toString();
};

const openClient = (t: TestContext, port: number): Socket => {
  const client = connect(port, '127.0.0.1').on('error', () => {});
  t.after(() => client.destroy());
  return client;
};

/** Each test has a PM2 of its own, or two, and waits most of the time. */
describe('of two processes for one port', { concurrency: 2 }, () => {
  test('in two PM2 homes the first one serves, and the second says whose it is and takes over when that PM2 ends', async (t) => {
    const { sandbox: first, ports } = await run(t);
    const [port = 0] = ports;
    const app = `tcp-proxy-${port}`;
    const client = openClient(t, port);
    await ask(client);
    const { pid } = await first.proxyUntil(port, isUp);
    const monitorPid = (await first.ask())?.monitor?.pid;
    const second = openSecond(t, first);
    await second.pm2('start', ECOSYSTEM);
    const home = join(first.folder, 'pm2');
    const owner = `of the PM2 in ${home} \\(its daemon is pid ${daemonOf(first)}\\)`;
    await second.logUntil(app, new RegExp(`stands by, since pid ${pid} ${owner} has the port`));
    await second.logUntil(
      'proxy-monitor',
      new RegExp(`Another monitor answers.*: pid ${monitorPid} ${owner}`),
    );
    await first.checks(10);
    const [listed] = await list(second, app);
    assert.equal(listed?.pm2_env.status, 'online');
    for (const sandbox of [first, second])
      for (const name of [app, 'proxy-monitor']) assert.deepEqual(await restartsOf(sandbox, name), [0]);
    assert.equal((await first.proxyUntil(port, isUp)).pid, pid);
    assert.match(await ask(client), /the upstream$/);

    assert.doesNotMatch((await first.steadyport('status')).stdout, /runs more than once/);
    const status = await second.steadyport('status');
    assert.equal(status.code, 0, status.stdout);
    assert.match(
      status.stdout.replace(/\s+/g, ' '),
      new RegExp(`An app runs more than once.*the monitor \\(pid ${monitorPid}\\) is ${owner}`),
    );

    await first.pm2('kill');
    await second.logUntil(app, new RegExp(`pid ${pid}, which had the port, leaves`));
    const successor = await second.proxyUntil(port, (proxy) => isUp(proxy) && proxy.pid !== pid);
    assert.equal(successor.pid, listed?.pid);
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'the upstream');
    assert.deepEqual(await restartsOf(second, app), [0]);
    assert.equal((await second.ask())?.monitor?.supervisor?.home, join(second.folder, 'pm2'));

    // The first PM2 comes back, and its monitor waits; then the second one's proxy is replaced by the first one's.
    await first.pm2('start', ECOSYSTEM);
    await first.logUntil(app, new RegExp(`stands by, since pid ${successor.pid} of the PM2 in`));
    await second.pm2('restart', app);
    await second.logUntil(app, new RegExp(`stands by, since pid \\d+ of the PM2 in ${home}`));
    await second.snapshotUntil(({ monitor }) =>
      (monitor?.problems ?? []).some(
        ({ kind, text }) => kind === 'copies' && text.includes(`of the PM2 in ${home}`),
      ),
    );
    await second.pm2('delete', app, 'proxy-monitor');
  });

  test('in one PM2 after pm2 scale one serves, also after a restart of both, and the status says how to have one only', async (t) => {
    const { sandbox, ports } = await run(t);
    const [port = 0] = ports;
    const app = `tcp-proxy-${port}`;
    const { pid } = await sandbox.proxyUntil(port, isUp);
    await sandbox.pm2('scale', app, '2');
    await sandbox.logUntil(app, new RegExp(`stands by, since pid ${pid} of this PM2 has the port`));
    await sandbox.snapshotUntil(({ monitor }) => monitor?.problems[0]?.kind === 'copies');
    await sandbox.checks(10);
    assert.deepEqual(await restartsOf(sandbox, app), [0, 0]);
    assert.equal((await sandbox.proxyUntil(port, isUp)).pid, pid);
    const { code, stdout } = await sandbox.steadyport('status');
    assert.equal(code, 0, stdout);
    assert.match(
      stdout.replace(/\s+/g, ' '),
      new RegExp(`2 copies of ${app} run in PM2.*: npx pm2 scale ${app} 1`),
    );

    await sandbox.pm2('restart', app);
    const owner = await sandbox.proxyUntil(port, (proxy) => isUp(proxy) && proxy.pid !== pid);
    await sandbox.logUntil(app, new RegExp(`stands by, since pid ${owner.pid} of this PM2 has the port`));
    await sandbox.checks(10);
    assert.deepEqual(await restartsOf(sandbox, app), [1, 1]);
    assert.deepEqual((await sandbox.proxyUntil(port, isUp)).pid, owner.pid);

    await sandbox.pm2('scale', app, '1');
    const [left] = await list(sandbox, app);
    await sandbox.snapshotUntil(({ monitor }) => monitor?.problems.length === 0);
    assert.equal((await sandbox.proxyUntil(port, isUp)).pid, left?.pid);
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'the upstream');
    assert.deepEqual(await restartsOf(sandbox, app), [1]);
  });

  test('two monitors of one PM2 do not replace each other, and the one that waits takes over', async (t) => {
    const { sandbox } = await run(t);
    const owner = (await sandbox.ask())?.monitor?.pid ?? 0;
    await sandbox.pm2('scale', 'proxy-monitor', '2');
    await sandbox.logUntil(
      'proxy-monitor',
      new RegExp(`Another monitor answers.*: pid ${owner} of this PM2`),
    );
    await sandbox.snapshotUntil(({ monitor }) => monitor?.problems[0]?.kind === 'copies');
    await sandbox.checks(10);
    assert.deepEqual(await restartsOf(sandbox, 'proxy-monitor'), [0, 0]);
    const standby = (await list(sandbox, 'proxy-monitor')).find(({ pid }) => pid !== owner);
    process.kill(owner, 'SIGKILL');
    await sandbox.snapshotUntil(({ monitor }) => monitor?.pid === standby?.pid);
    await sandbox.checks(10);
    assert.deepEqual(await restartsOf(sandbox, 'proxy-monitor'), [1, 0]);
  });

  test('an app whose port the config no longer has ends once, and says why', async (t) => {
    const running = await run(t, 2);
    const { sandbox, ports } = running;
    const [kept = 0, gone = 0] = ports;
    const app = `tcp-proxy-${gone}`;
    configure(running, [kept]);
    // PM2 accepts the config, and leaves the app as it is.
    await sandbox.pm2('start', ECOSYSTEM);
    await sandbox.pm2('restart', app);
    await sandbox.logUntil(app, /has no proxy/);
    await sandbox.checks(20);
    await until(async () => (await list(sandbox, app))[0]?.pid === 0, 'the end of the app');
    assert.deepEqual(await restartsOf(sandbox, app), [1]);
    assert.equal(sandbox.log(app).match(/has no proxy/g)?.length, 1);
  });
});
