import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { isAlive } from '../../src/system/proc/procfs.ts';
import { ECOSYSTEM, openStation, openUpstream, type Station } from '../support/pm2-sandbox.ts';
import { freePort } from '../support/proxy-harness.ts';

const isUp = ({ state }: ProxyStatus): boolean => state === 'up';

/** The real PM2 daemon, the real proxies, the real monitor, at the default intervals. */
describe('a proxy under PM2', () => {
  let station: Station;
  let upstream: { port: number; close(): Promise<void> };
  let port: number;
  let other: number;

  before(async () => {
    upstream = await openUpstream();
    [port, other] = [await freePort(), await freePort()];
    station = openStation();
    station.configure([
      { listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}`, probe: { type: 'http' } },
      {
        listen: `127.0.0.1:${other}`,
        upstream: `127.0.0.1:${upstream.port}`,
        probe: { type: 'http' },
        allow: ['192.0.2.1'],
      },
    ]);
    const started = await station.pm2('start', ECOSYSTEM);
    assert.equal(started.code, 0, started.stderr);
    await station.proxyUntil(port, isUp);
    await station.proxyUntil(other, isUp);
  });
  after(async () => {
    await upstream.close();
    await station.close();
  });

  test('is up, forwards, and the status exits 0', async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    assert.equal(await answer.text(), 'the upstream');
    const { code, stdout } = await station.steadyport('status');
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^All 2 ports are up\./);
  });

  test('is up, and checked from end to end, also when its allow list leaves out the monitor', async () => {
    await assert.rejects(fetch(`http://127.0.0.1:${other}/`), 'a client from here is refused');
    const { pid } = await station.proxyUntil(other, ({ checkMs }) => checkMs !== null);
    const { lastCheckAt = 0 } = (await station.status()).monitor ?? {};
    for (let last = lastCheckAt; last < lastCheckAt + 3_000; )
      last = (await station.status()).monitor?.lastCheckAt ?? 0;
    const now = await station.proxyUntil(other, () => true);
    assert.deepEqual(
      [now.state, now.pid, now.restarts, now.failures.total],
      ['up', pid, { crash: 0, forced: 0 }, 0],
    );
  });

  test('that is killed is back by itself, and the crash is counted', async () => {
    const { pid, restarts, recovery } = await station.proxyUntil(port, isUp);
    process.kill(Number(pid), 'SIGKILL');
    const back = await station.proxyUntil(port, (now) => isUp(now) && now.pid !== pid);
    assert.deepEqual(back.restarts, { crash: restarts.crash + 1, forced: restarts.forced });
    assert.equal(back.recovery.count, recovery.count + 1);
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'the upstream');
    const log = station.log('proxy-monitor');
    assert.match(
      log,
      new RegExp(`\\[[-\\d: ]{19}\\] ⚠️  Proxy for port ${port} is not running \\(failure #1\\)`),
    );
    assert.match(log, new RegExp(`✅ Proxy for port ${port} started successfully \\(PID: ${back.pid}\\)`));
  });

  test('that is told to leave and finishes its connections has not failed', async (t) => {
    const { pid, failures, restarts } = await station.proxyUntil(port, isUp);
    const client = connect({ host: '127.0.0.1', port }).on('error', () => {});
    t.after(() => client.destroy());
    await once(client, 'connect');
    process.kill(Number(pid), 'SIGTERM');
    const back = await station.proxyUntil(port, (now) => isUp(now) && now.pid !== pid);
    assert.deepEqual([back.failures.total, back.restarts], [failures.total, restarts]);
  });

  test('that hangs is restarted by force at the threshold', async () => {
    const { pid, restarts } = await station.proxyUntil(port, isUp);
    process.kill(Number(pid), 'SIGSTOP');
    const back = await station.proxyUntil(port, (now) => isUp(now) && now.pid !== pid);
    assert.deepEqual(back.restarts, { crash: restarts.crash, forced: restarts.forced + 1 });
    const log = station.log('proxy-monitor');
    assert.match(log, new RegExp(`Proxy for port ${port} is not responding \\(failure #3\\)`));
    assert.match(log, new RegExp(`Attempting to restart proxy for port ${port}\\.\\.\\.`));
  });

  test('whose upstream is gone is not restarted, says so, and is up again by itself', async () => {
    const before = await station.proxyUntil(port, isUp);
    await upstream.close();
    const down = await station.proxyUntil(port, ({ state }) => state === 'down');
    assert.equal(down.cause, 'upstream_down');
    const { code, stdout } = await station.steadyport('status', String(port));
    assert.equal(code, 1);
    assert.match(stdout, /nothing listens on 127\.0\.0\.1:\d+\. The proxy is fine/);
    upstream = await openUpstream(upstream.port);
    const back = await station.proxyUntil(port, isUp);
    assert.deepEqual([back.pid, back.restarts], [before.pid, before.restarts]);
    assert.match(station.log('proxy-monitor'), new RegExp(`ALERT: Proxy for port ${port} has no upstream`));
  });

  test('that the operator stopped stays stopped until it is started again', async () => {
    await station.pm2('stop', `tcp-proxy-${port}`);
    const stopped = await station.proxyUntil(port, ({ state }) => state === 'stopped');
    assert.equal(stopped.pm2, 'stopped');
    const looked = (await station.status()).monitor?.lastCheckAt ?? 0;
    for (let last = looked; last < looked + 5_000; )
      last = (await station.status()).monitor?.lastCheckAt ?? 0;
    assert.equal((await station.proxyUntil(port, () => true)).state, 'stopped');
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
    await station.pm2('start', `tcp-proxy-${port}`);
    await station.proxyUntil(port, isUp);
  });

  test('keeps its counters when the monitor is killed', async () => {
    const { monitor, proxies } = await station.status();
    assert.ok(monitor);
    process.kill(monitor.pid, 'SIGKILL');
    let now = await station.status();
    while (!now.monitor || now.monitor.pid === monitor.pid) now = await station.status();
    const counters = ({ port, failures, restarts, recovery }: ProxyStatus): object => ({
      port,
      failures,
      restarts,
      recovery,
    });
    assert.deepEqual(now.proxies.map(counters), proxies.map(counters));
    assert.ok((proxies[0]?.failures.total ?? 0) > 0);
  });

  test('has a state of its own to tell without the monitor, and the status exits 3', async () => {
    await station.pm2('stop', 'proxy-monitor');
    const { code, stdout } = await station.steadyport('status', '--json');
    const { monitor, proxies } = JSON.parse(stdout) as Awaited<ReturnType<Station['status']>>;
    assert.deepEqual([code, monitor, proxies.map(({ state }) => state)], [3, null, ['up', 'up']]);
    assert.match((await station.steadyport('status')).stdout, /proxy-monitor {2}not reachable/);
    await station.pm2('start', 'proxy-monitor');
  });

  test('has its pid and its failures in plain files', async () => {
    const { pid } = await station.proxyUntil(port, isUp);
    const read = (name: string): string =>
      readFileSync(join(station.folder, 'home/ports', String(port), name), 'utf8');
    assert.deepEqual([read('pid'), read('failures')], [`${pid}\n`, '0\n']);
  });

  test('keeps its connections when `start` adds a proxy and removes another', async () => {
    const { pid } = await station.proxyUntil(port, isUp);
    const client = connect(port, '127.0.0.1');
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const answers = client.iterator({ destroyOnReturn: false });
    assert.match(String((await answers.next()).value), /200 OK/);
    const added = await freePort();
    station.configure([
      { listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}`, probe: { type: 'http' } },
      { listen: `127.0.0.1:${added}`, upstream: `127.0.0.1:${upstream.port}` },
    ]);
    const { code, stderr } = await station.steadyport('start');
    assert.equal(code, 0, stderr);
    await station.proxyUntil(added, isUp);
    client.end('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    assert.match(String((await answers.next()).value), /200 OK/);
    assert.equal((await station.proxyUntil(port, isUp)).pid, pid);
    const { stdout } = await station.pm2('jlist');
    assert.doesNotMatch(stdout, new RegExp(`tcp-proxy-${other}`));
    assert.match((await station.steadyport('start')).stdout, /nothing was touched/);
  });

  test('that is deleted from PM2 is left alone, and `stop` ends the rest', async () => {
    await station.pm2('delete', `tcp-proxy-${port}`);
    await station.proxyUntil(port, ({ state }) => state === 'stopped');
    assert.equal((await station.steadyport('stop')).code, 0);
    assert.equal((await station.pm2('jlist')).stdout.trim().split('\n').at(-1), '[]');
    assert.match((await station.steadyport('stop')).stdout, /PM2 runs nothing of/);
  });
});

describe('a station of its own', () => {
  const open = async (t: { after(fn: () => Promise<void>): void }, env = {}): Promise<Station> => {
    const station = openStation(env);
    t.after(() => station.close());
    return station;
  };

  test('has no secret of the caller in PM2, not even after a second start', async (t) => {
    const station = await open(t, { SLACK_WEBHOOK_URL: 'planted-secret', FAILURE_THRESHOLD: '7' });
    const upstream = await openUpstream();
    t.after(() => upstream.close());
    const port = await freePort();
    station.configure([{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }]);
    writeFileSync(join(station.folder, '.env'), 'DISCORD_WEBHOOK_URL=planted-secret\n');
    for (let round = 0; round < 2; round += 1) {
      await station.pm2('start', ECOSYSTEM);
      await station.pm2('save');
      const shown = await Promise.all([
        station.pm2('jlist'),
        station.pm2('env', '0'),
        station.pm2('env', '1'),
      ]);
      const dump = readFileSync(join(station.folder, 'pm2/dump.pm2'), 'utf8');
      assert.doesNotMatch([dump, ...shown.map(({ stdout }) => stdout)].join(), /planted-secret/);
      assert.match(dump, /FAILURE_THRESHOLD/);
    }
    assert.equal((await station.proxyUntil(port, isUp)).failureThreshold, 7);
  });

  test('answers a broken config with its errors, exit code 2 and no stack trace', async (t) => {
    const station = await open(t);
    station.configure([{ listen: 'nowhere', upstream: '127.0.0.1:1' }]);
    const { code, stderr, stdout } = await station.pm2('start', ECOSYSTEM);
    assert.equal(code, 2);
    assert.match(stderr, /proxies\[0\]\.listen is "nowhere": expected a text/);
    assert.doesNotMatch(stderr + stdout, /^\s+at /m);
  });

  test('waits for a port that another process holds, names it, and takes it when it is free', async (t) => {
    const station = await open(t);
    const [upstream, stranger] = [await openUpstream(), await openUpstream()];
    t.after(() => upstream.close());
    station.configure([{ listen: `127.0.0.1:${stranger.port}`, upstream: `127.0.0.1:${upstream.port}` }]);
    await station.pm2('start', ECOSYSTEM);
    const waiting = await station.proxyUntil(stranger.port, ({ state }) => state === 'down');
    assert.deepEqual([waiting.cause, waiting.restarts], ['port_in_use', { crash: 0, forced: 0 }]);
    assert.match(waiting.portOwner ?? '', new RegExp(`^pid ${process.pid} \\(.*node`));
    await stranger.close();
    const up = await station.proxyUntil(stranger.port, isUp);
    assert.equal(up.pid, waiting.pid);
  });

  test('takes an optional upstream that is off for what it is', async (t) => {
    const station = await open(t);
    const [port, off] = [await freePort(), await freePort()];
    station.configure([{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${off}`, optional: true }]);
    await station.pm2('start', ECOSYSTEM);
    const { cause, failures } = await station.proxyUntil(port, ({ state }) => state === 'waiting');
    assert.deepEqual([cause, failures.total], ['upstream_down', 0]);
    assert.equal((await station.steadyport('status')).code, 0);
    assert.doesNotMatch(station.log('proxy-monitor'), /ALERT/);
  });

  test('touches no app of others, not even one from the same shell, and takes its own out of the saved list', async (t) => {
    const station = await open(t);
    station.configure([{ listen: `127.0.0.1:${await freePort()}`, upstream: '127.0.0.1:9', optional: true }]);
    const other = join(station.folder, 'other.js');
    writeFileSync(other, 'setInterval(() => {}, 1e6)');
    const names = (json: string): string[] =>
      (JSON.parse(json) as { name: string }[]).map(({ name }) => name);
    const saved = (): string[] => names(readFileSync(join(station.folder, 'pm2/dump.pm2'), 'utf8'));
    await station.pm2('start', other);
    assert.equal((await station.steadyport('start')).code, 0);
    await station.pm2('save');
    assert.equal(saved().length, 3);
    assert.equal((await station.steadyport('uninstall')).code, 0);
    assert.deepEqual(saved(), ['other']);
    assert.deepEqual(names((await station.pm2('jlist')).stdout.trim().split('\n').at(-1) ?? ''), ['other']);
    assert.equal(existsSync(station.env['STEADYPORT_HOME'] ?? ''), false);
  });

  test('never starts a daemon by asking, not even when another process has the pid of the last one', async (t) => {
    const station = await open(t);
    station.configure([{ listen: `127.0.0.1:${await freePort()}`, upstream: '127.0.0.1:9' }]);
    mkdirSync(join(station.folder, 'pm2'));
    writeFileSync(join(station.folder, 'pm2/pm2.pid'), String(process.pid));
    assert.match((await station.steadyport('stop')).stdout, /PM2 runs nothing of/);
    assert.equal((await station.steadyport('status')).code, 3);
    assert.equal(readFileSync(join(station.folder, 'pm2/pm2.pid'), 'utf8'), String(process.pid));
    assert.equal(existsSync(join(station.folder, 'pm2/rpc.sock')), false);
    rmSync(join(station.folder, 'pm2/pm2.pid'));
  });

  test('has its page as soon as the port of the page is free', async (t) => {
    const station = await open(t);
    const holder = await openUpstream();
    const page = `127.0.0.1:${holder.port}`;
    station.configure([{ listen: `127.0.0.1:${await freePort()}`, upstream: 'localhost:1' }], { http: page });
    await station.pm2('start', ECOSYSTEM);
    assert.equal((await station.status()).monitor?.http, null);
    assert.match(station.log('proxy-monitor'), /No page: listen EADDRINUSE/);
    await holder.close();
    let now = await station.status();
    while (!now.monitor?.http) now = await station.status();
    assert.equal(now.monitor.http, `http://${page}`);
    assert.deepEqual(await (await fetch(`http://${page}/healthz`)).json(), { ok: true });
  });

  test('brings back a proxy that PM2 does not have', async (t) => {
    const station = await open(t);
    const upstream = await openUpstream();
    t.after(() => upstream.close());
    const port = await freePort();
    station.configure([{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }]);
    await station.pm2('start', ECOSYSTEM, '--only', 'proxy-monitor');
    await station.proxyUntil(port, isUp);
    assert.match(
      station.log('proxy-monitor'),
      new RegExp(`Attempting to restart proxy for port ${port}\\.\\.\\.`),
    );
  });

  test('is not needed for a port that the upstream has on every address', async (t) => {
    const station = await open(t);
    const upstream = await openUpstream(0, '::');
    t.after(() => upstream.close());
    station.configure([{ listen: `${upstream.port}`, upstream: `localhost:${upstream.port}` }]);
    await station.pm2('start', ECOSYSTEM);
    await station.proxyUntil(upstream.port, ({ state }) => state === 'not_needed');
    assert.equal((await station.steadyport('status')).code, 0);
  });

  test('goes on serving when the PM2 daemon is killed, and makes way for the next one', async (t) => {
    const station = await open(t);
    const upstream = await openUpstream();
    t.after(() => upstream.close());
    const port = await freePort();
    station.configure([{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }]);
    await station.pm2('start', ECOSYSTEM);
    const { pid } = await station.proxyUntil(port, isUp);
    process.kill(Number(readFileSync(join(station.folder, 'pm2/pm2.pid'), 'utf8')), 'SIGKILL');
    let now = await station.status();
    while (!now.monitor?.pm2Problem) now = await station.status();
    assert.match(now.monitor.pm2Problem, /daemon is not running/);
    assert.deepEqual([now.proxies[0]?.state, now.proxies[0]?.pid], ['up', pid]);
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'the upstream');

    assert.equal((await station.steadyport('start')).code, 0);
    const orphans = [now.monitor.pid, Number(pid)];
    const isBack = (proxy: ProxyStatus): boolean =>
      isUp(proxy) && proxy.pid !== pid && proxy.pm2 === 'online';
    await station.proxyUntil(port, isBack);
    while (orphans.some(isAlive)) await new Promise((done) => setImmediate(done));
    assert.match(
      station.log(`tcp-proxy-${port}`),
      new RegExp(`taken over from pid ${pid}, which PM2 no longer has; nobody listened for \\d+ ms`),
    );
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'the upstream');
  });
});
