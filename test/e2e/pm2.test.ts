import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { isAlive } from '../../src/system/proc/procfs.ts';
import { ECOSYSTEM, openPm2Sandbox, openUpstream, type Pm2Sandbox } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { until } from '../support/until.ts';

const isUp = ({ state }: ProxyStatus): boolean => state === 'up';

/** Uses the real PM2 daemon, the real proxies and the real monitor, at the default intervals. */
describe('a proxy under PM2', () => {
  let sandbox: Pm2Sandbox;
  let upstream: { port: number; close(): Promise<void> };
  let port: number;
  let restrictedPort: number;

  before(async () => {
    upstream = await openUpstream();
    port = await freePort();
    restrictedPort = await freePort();
    sandbox = openPm2Sandbox();
    sandbox.configure([
      { listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}`, probe: { type: 'http' } },
      {
        listen: `127.0.0.1:${restrictedPort}`,
        upstream: `127.0.0.1:${upstream.port}`,
        probe: { type: 'http' },
        allow: ['192.0.2.1'],
      },
    ]);
    await sandbox.pm2('start', ECOSYSTEM);
    await sandbox.proxyUntil(port, isUp);
    await sandbox.proxyUntil(restrictedPort, isUp);
  });
  after(async () => {
    await upstream.close();
    await sandbox.close();
  });

  test('is up, forwards, and the status exits 0', async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    assert.equal(await answer.text(), 'the upstream');
    const { code, stdout } = await sandbox.steadyport('status');
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^[\w.-]+: Both ports are up\./);
  });

  test('is up, and checked from end to end, also when its allow list excludes the monitor', async () => {
    await assert.rejects(fetch(`http://127.0.0.1:${restrictedPort}/`), 'a client from here is refused');
    const { pid } = await sandbox.proxyUntil(restrictedPort, ({ checkMs }) => checkMs !== null);
    await sandbox.checks(3);
    const now = await sandbox.proxyUntil(restrictedPort, () => true);
    assert.deepEqual(
      [now.state, now.pid, now.restarts, now.failures.total],
      ['up', pid, { crash: 0, forced: 0 }, 0],
    );
  });

  test('that is killed comes back by itself, and the crash is counted', async () => {
    const { pid, restarts, recovery } = await sandbox.proxyUntil(port, isUp);
    process.kill(Number(pid), 'SIGKILL');
    const back = await sandbox.proxyUntil(port, (now) => isUp(now) && now.pid !== pid);
    assert.deepEqual(back.restarts, { crash: restarts.crash + 1, forced: restarts.forced });
    assert.equal(back.recovery.count, recovery.count + 1);
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'the upstream');
    await sandbox.logUntil(
      'proxy-monitor',
      new RegExp(`✅ Proxy for port ${port} started successfully \\(PID: ${back.pid}\\)`),
    );
    assert.match(
      sandbox.log('proxy-monitor'),
      new RegExp(`\\[[-\\d: ]{19}\\] ⚠️  Proxy for port ${port} is not running \\(failure #1\\)`),
    );
  });

  test('that gets SIGTERM and finishes its connections has not failed', async (t) => {
    const { pid, failures, restarts } = await sandbox.proxyUntil(port, isUp);
    const client = connect({ host: '127.0.0.1', port }).on('error', () => {});
    t.after(() => client.destroy());
    await once(client, 'connect');
    process.kill(Number(pid), 'SIGTERM');
    const back = await sandbox.proxyUntil(port, (now) => isUp(now) && now.pid !== pid);
    assert.deepEqual([back.failures.total, back.restarts], [failures.total, restarts]);
  });

  test('that hangs is restarted by force at the failure threshold', async () => {
    const { pid, restarts } = await sandbox.proxyUntil(port, isUp);
    process.kill(Number(pid), 'SIGSTOP');
    const back = await sandbox.proxyUntil(port, (now) => isUp(now) && now.pid !== pid);
    assert.deepEqual(back.restarts, { crash: restarts.crash, forced: restarts.forced + 1 });
    await sandbox.logUntil(
      'proxy-monitor',
      new RegExp(`Attempting to restart proxy for port ${port}\\.\\.\\.`),
    );
    assert.match(
      sandbox.log('proxy-monitor'),
      new RegExp(`Proxy for port ${port} is not responding \\(failure #3\\)`),
    );
  });

  test('whose upstream is gone is not restarted, reports the cause, and is up again by itself', async () => {
    const before = await sandbox.proxyUntil(port, isUp);
    await upstream.close();
    const down = await sandbox.proxyUntil(port, ({ state }) => state === 'down');
    assert.equal(down.cause, 'upstream_down');
    const { code, stdout } = await sandbox.steadyport('status', String(port));
    assert.equal(code, 1);
    assert.match(stdout, /nothing listens on 127\.0\.0\.1:\d+\. Start the application/);
    upstream = await openUpstream(upstream.port);
    const back = await sandbox.proxyUntil(port, isUp);
    assert.deepEqual([back.pid, back.restarts], [before.pid, before.restarts]);
    await sandbox.logUntil('proxy-monitor', new RegExp(`ALERT: Proxy for port ${port} has no upstream`));
  });

  test('that the operator stopped stays stopped until it is started again', async () => {
    await sandbox.pm2('stop', `tcp-proxy-${port}`);
    const stopped = await sandbox.proxyUntil(port, ({ state }) => state === 'stopped');
    assert.equal(stopped.pm2, 'stopped');
    await sandbox.checks(5);
    assert.equal((await sandbox.proxyUntil(port, () => true)).state, 'stopped');
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
    await sandbox.pm2('start', `tcp-proxy-${port}`);
    await sandbox.proxyUntil(port, isUp);
  });

  test('keeps its counters when the monitor is killed', async () => {
    const { monitor, proxies } = (await sandbox.ask()) ?? assert.fail('no monitor answers');
    assert.ok(monitor);
    process.kill(monitor.pid, 'SIGKILL');
    const now = await sandbox.snapshotUntil((later) => later.monitor?.pid !== monitor.pid);
    const counters = ({ port, failures, restarts, recovery }: ProxyStatus): object => ({
      port,
      failures,
      restarts,
      recovery,
    });
    assert.deepEqual(now.proxies.map(counters), proxies.map(counters));
    assert.ok((proxies[0]?.failures.total ?? 0) > 0);
  });

  test('reports its own state without the monitor, and the status exits 3', async () => {
    await sandbox.pm2('stop', 'proxy-monitor');
    const { code, stdout } = await sandbox.steadyport('status', '--json');
    const { monitor, proxies } = JSON.parse(stdout) as Awaited<ReturnType<Pm2Sandbox['status']>>;
    assert.deepEqual([code, monitor, proxies.map(({ state }) => state)], [3, null, ['up', 'up']]);
    assert.match((await sandbox.steadyport('status')).stdout, /proxy-monitor {2}not reachable/);
    await sandbox.pm2('start', 'proxy-monitor');
  });

  test('has its pid and its failures in plain files', async () => {
    const { pid } = await sandbox.proxyUntil(port, isUp);
    const read = (name: string): string =>
      readFileSync(join(sandbox.folder, 'home/ports', String(port), name), 'utf8');
    // The monitor writes its file after the check that the status is of.
    await until(() => read('pid') === `${pid}\n` && read('failures') === '0\n');
  });

  test('keeps its connections when `start` adds a proxy and removes another', async () => {
    const { pid } = await sandbox.proxyUntil(port, isUp);
    const client = connect(port, '127.0.0.1');
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const answers = client.iterator({ destroyOnReturn: false });
    assert.match(String((await answers.next()).value), /200 OK/);
    const added = await freePort();
    const { monitor } = await sandbox.status();
    sandbox.configure([
      {
        listen: `127.0.0.1:${port}`,
        upstream: `127.0.0.1:${upstream.port}`,
        // These are the monitor's affair.
        label: 'another name',
        probe: { type: 'tcp' },
        optional: true,
        limits: { lagMs: { warn: 99 } },
      },
      { listen: `127.0.0.1:${added}`, upstream: `127.0.0.1:${upstream.port}` },
    ]);
    const { code, stderr } = await sandbox.steadyport('start');
    assert.equal(code, 0, stderr);
    await sandbox.proxyUntil(added, isUp);
    client.end('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    assert.match(String((await answers.next()).value), /200 OK/);
    const kept = await sandbox.proxyUntil(port, ({ label }) => label === 'another name');
    assert.deepEqual([kept.pid, kept.optional], [pid, true]);
    const { monitor: next } = await sandbox.status();
    assert.notEqual(next?.pid, monitor?.pid);
    assert.equal(next?.crashes, monitor?.crashes, 'a planned restart of the monitor is no crash of it');
    const { stdout } = await sandbox.pm2('jlist');
    assert.doesNotMatch(stdout, new RegExp(`tcp-proxy-${restrictedPort}`));
    assert.match((await sandbox.steadyport('start')).stdout, /nothing was touched/);
  });

  test('that is deleted from PM2 is left alone, and `stop` ends the rest', async () => {
    await sandbox.pm2('delete', `tcp-proxy-${port}`);
    await sandbox.proxyUntil(port, ({ state }) => state === 'stopped');
    assert.equal((await sandbox.steadyport('stop')).code, 0);
    assert.equal((await sandbox.pm2('jlist')).stdout.trim().split('\n').at(-1), '[]');
    assert.match((await sandbox.steadyport('stop')).stdout, /PM2 runs nothing of/);
  });
});

/** Each test has a PM2 of its own, and waits most of the time. */
describe('a separate installation', { concurrency: 3 }, () => {
  const open = async (t: { after(fn: () => Promise<void>): void }, env = {}): Promise<Pm2Sandbox> => {
    const sandbox = openPm2Sandbox(env);
    t.after(() => sandbox.close());
    return sandbox;
  };

  test('has no secret of the caller in PM2, not even after a second start', async (t) => {
    const sandbox = await open(t, { SLACK_WEBHOOK_URL: 'planted-secret', FAILURE_THRESHOLD: '7' });
    const upstream = await openUpstream();
    t.after(() => upstream.close());
    const port = await freePort();
    sandbox.configure([{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }]);
    writeFileSync(join(sandbox.folder, '.env'), 'DISCORD_WEBHOOK_URL=planted-secret\n');
    for (let round = 0; round < 2; round += 1) {
      await sandbox.pm2('start', ECOSYSTEM);
      await sandbox.pm2('save');
      const shown = await Promise.all([
        sandbox.pm2('jlist'),
        sandbox.pm2('env', '0'),
        sandbox.pm2('env', '1'),
      ]);
      const dump = readFileSync(join(sandbox.folder, 'pm2/dump.pm2'), 'utf8');
      const all = [dump, ...shown.map(({ stdout }) => stdout)].join();
      assert.doesNotMatch(all, /planted-secret|FAILURE_THRESHOLD/);
      assert.match(dump, /STEADYPORT_REVISION/);
    }
    assert.equal((await sandbox.proxyUntil(port, isUp)).failureThreshold, 7);
  });

  test('answers a broken config with its errors, exit code 2 and no stack trace', async (t) => {
    const sandbox = await open(t);
    sandbox.configure([{ listen: 'nowhere', upstream: '127.0.0.1:1' }]);
    const { code, stderr, stdout } = await sandbox.tryPm2('start', ECOSYSTEM);
    assert.equal(code, 2);
    assert.match(stderr, /proxies\[0\]\.listen is "nowhere": expected a text/);
    assert.doesNotMatch(stderr + stdout, /^\s+at /m);
  });

  test('waits for a port that another process holds, names it, and takes it when it is free', async (t) => {
    const sandbox = await open(t);
    const upstream = await openUpstream();
    const stranger = await openUpstream();
    t.after(() => upstream.close());
    sandbox.configure([{ listen: `127.0.0.1:${stranger.port}`, upstream: `127.0.0.1:${upstream.port}` }]);
    await sandbox.pm2('start', ECOSYSTEM);
    const waiting = await sandbox.proxyUntil(stranger.port, ({ state }) => state === 'down');
    assert.deepEqual([waiting.cause, waiting.restarts], ['port_in_use', { crash: 0, forced: 0 }]);
    assert.match(waiting.portOwner ?? '', new RegExp(`^pid ${process.pid} \\(.*node`));
    await stranger.close();
    const up = await sandbox.proxyUntil(stranger.port, isUp);
    assert.equal(up.pid, waiting.pid);
  });

  test('serves the rest of a port that another program has taken on IPv4 alone, and says so', async (t) => {
    const sandbox = await open(t);
    const upstream = await openUpstream();
    const stranger = await openUpstream(undefined, '0.0.0.0');
    t.after(() => upstream.close());
    const { port } = stranger;
    sandbox.configure([{ listen: `${port}`, upstream: `127.0.0.1:${upstream.port}` }]);
    await sandbox.pm2('start', ECOSYSTEM);
    const taken = await sandbox.proxyUntil(
      port,
      ({ incidents, failures }) => incidents.length > 0 && failures.sinceHealthy >= 3,
    );
    assert.deepEqual([taken.state, taken.cause, taken.restarts.forced], ['degraded', 'port_in_use', 0]);
    assert.match(
      taken.detail ?? '',
      new RegExp(
        `^0\\.0\\.0\\.0:${port} is held by pid ${process.pid} \\(.*node.*; the proxy serves \\[::\\]:${port}$`,
      ),
    );
    assert.equal(await (await fetch(`http://[::1]:${port}/`)).text(), 'the upstream');
    await sandbox.logUntil(
      'proxy-monitor',
      new RegExp(`\\(failure #1\\): 0\\.0\\.0\\.0:${port} is held by .*[^]*ALERT`),
    );
    assert.equal((await sandbox.steadyport('status')).code, 1);
    await stranger.close();
    const up = await sandbox.proxyUntil(port, isUp);
    assert.equal(up.pid, taken.pid);
  });

  test('restarts nothing for an address that the system refuses, and says why and what to do', async (t) => {
    const sandbox = await open(t);
    const upstream = await openUpstream();
    t.after(() => upstream.close());
    const port = await freePort();
    // TEST-NET-1: no machine has such an address (RFC 5737).
    sandbox.configure([{ listen: `192.0.2.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }]);
    await sandbox.pm2('start', ECOSYSTEM);
    const { pid, cause, detail } = await sandbox.proxyUntil(port, ({ state }) => state === 'down');
    const reason = `192.0.2.1:${port} is not an address of this machine (EADDRNOTAVAIL)`;
    const cure = 'See ip addr, or correct "listen"';
    assert.deepEqual([cause, detail], ['not_listening', reason]);
    await sandbox.checks(30);
    const later = await sandbox.proxyUntil(port, () => true);
    assert.deepEqual([later.state, later.pid, later.restarts.forced], ['down', pid, 0]);
    assert.deepEqual([later.incidents.length, later.incidents[0]?.actions], [1, []]);
    await sandbox.logUntil('proxy-monitor', /ALERT/);
    const log = sandbox.log('proxy-monitor');
    assert.ok(log.includes(`Proxy for port ${port} is not listening (failure #1): ${reason}. ${cure}`), log);
    assert.equal(log.split(cure).length, 2, log);
    assert.ok(
      (await sandbox.steadyport('status')).stdout.replace(/\s+/g, ' ').includes(`${reason}. ${cure}. The`),
    );
  });

  test('counts no failure for an optional upstream that is off', async (t) => {
    const sandbox = await open(t);
    const port = await freePort();
    const off = await freePort();
    sandbox.configure([{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${off}`, optional: true }]);
    await sandbox.pm2('start', ECOSYSTEM);
    const { cause, failures } = await sandbox.proxyUntil(port, ({ state }) => state === 'waiting');
    assert.deepEqual([cause, failures.total], ['upstream_down', 0]);
    assert.equal((await sandbox.steadyport('status')).code, 0);
    assert.doesNotMatch(sandbox.log('proxy-monitor'), /ALERT/);
  });

  test('touches no foreign app, not even one from the same shell, and removes its own from the saved list', async (t) => {
    const sandbox = await open(t);
    sandbox.configure([{ listen: `127.0.0.1:${await freePort()}`, upstream: '127.0.0.1:9', optional: true }]);
    const other = join(sandbox.folder, 'other.js');
    writeFileSync(other, 'setInterval(() => {}, 1e6)');
    const names = (json: string): string[] =>
      (JSON.parse(json) as { name: string }[]).map(({ name }) => name);
    const saved = (): string[] => names(readFileSync(join(sandbox.folder, 'pm2/dump.pm2'), 'utf8'));
    await sandbox.pm2('start', other);
    assert.equal((await sandbox.steadyport('start')).code, 0);
    await sandbox.pm2('save');
    assert.equal(saved().length, 3);
    assert.equal((await sandbox.steadyport('uninstall')).code, 0);
    assert.deepEqual(saved(), ['other']);
    assert.deepEqual(names((await sandbox.pm2('jlist')).stdout.trim().split('\n').at(-1) ?? ''), ['other']);
    const home = sandbox.env['STEADYPORT_HOME'] ?? '';
    assert.deepEqual(existsSync(home) ? readdirSync(home, { recursive: true }) : [], []);
  });

  test('never starts a daemon by a question, not even when another process has the pid of the last daemon', async (t) => {
    const sandbox = await open(t);
    sandbox.configure([{ listen: `127.0.0.1:${await freePort()}`, upstream: '127.0.0.1:9' }]);
    mkdirSync(join(sandbox.folder, 'pm2'));
    writeFileSync(join(sandbox.folder, 'pm2/pm2.pid'), String(process.pid));
    assert.match((await sandbox.steadyport('stop')).stdout, /PM2 runs nothing of/);
    assert.equal((await sandbox.steadyport('status')).code, 3);
    assert.equal(readFileSync(join(sandbox.folder, 'pm2/pm2.pid'), 'utf8'), String(process.pid));
    assert.equal(existsSync(join(sandbox.folder, 'pm2/rpc.sock')), false);
    rmSync(join(sandbox.folder, 'pm2/pm2.pid'));
  });

  test('serves HTTP as soon as its HTTP port is free', async (t) => {
    const sandbox = await open(t);
    const owner = await openUpstream();
    const http = `127.0.0.1:${owner.port}`;
    sandbox.configure([{ listen: `127.0.0.1:${await freePort()}`, upstream: 'localhost:1' }], { http });
    await sandbox.pm2('start', ECOSYSTEM);
    await sandbox.logUntil('proxy-monitor', /No page: .* is in use by pid \d+/);
    assert.equal((await sandbox.ask())?.monitor?.http, null);
    await owner.close();
    const now = await sandbox.snapshotUntil(({ monitor }) => monitor?.http != null);
    assert.equal(now.monitor?.http, `http://${http}`);
    assert.deepEqual(await (await fetch(`http://${http}/healthz`)).json(), { ok: true });
  });

  test('brings back a proxy that PM2 does not have', async (t) => {
    const sandbox = await open(t);
    const upstream = await openUpstream();
    t.after(() => upstream.close());
    const port = await freePort();
    sandbox.configure([{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }]);
    await sandbox.pm2('start', ECOSYSTEM, '--only', 'proxy-monitor');
    await sandbox.proxyUntil(port, isUp);
    await sandbox.logUntil(
      'proxy-monitor',
      new RegExp(`Attempting to restart proxy for port ${port}\\.\\.\\.`),
    );
  });

  test('is not needed for a port on which the upstream listens on every address', async (t) => {
    const sandbox = await open(t);
    const upstream = await openUpstream(undefined, '::');
    t.after(() => upstream.close());
    sandbox.configure([{ listen: `${upstream.port}`, upstream: `localhost:${upstream.port}` }]);
    await sandbox.pm2('start', ECOSYSTEM);
    await sandbox.proxyUntil(upstream.port, ({ state }) => state === 'not_needed');
    assert.equal((await sandbox.steadyport('status')).code, 0);
  });

  test('keeps serving when the PM2 daemon is killed, and is replaced under the next daemon', async (t) => {
    const sandbox = await open(t);
    const upstream = await openUpstream();
    t.after(() => upstream.close());
    const port = await freePort();
    sandbox.configure([{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }]);
    await sandbox.pm2('start', ECOSYSTEM);
    const { pid } = await sandbox.proxyUntil(port, isUp);
    process.kill(Number(readFileSync(join(sandbox.folder, 'pm2/pm2.pid'), 'utf8')), 'SIGKILL');
    const now = await sandbox.snapshotUntil(({ monitor }) => monitor?.pm2Problem != null);
    assert.match(now.monitor?.pm2Problem ?? '', /daemon is not running/);
    assert.deepEqual([now.proxies[0]?.state, now.proxies[0]?.pid], ['up', pid]);
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'the upstream');

    assert.equal((await sandbox.steadyport('start')).code, 0);
    const orphans = [Number(now.monitor?.pid), Number(pid)];
    const isBack = (proxy: ProxyStatus): boolean =>
      isUp(proxy) && proxy.pid !== pid && proxy.pm2 === 'online';
    await sandbox.proxyUntil(port, isBack);
    await until(() => !orphans.some(isAlive), 'the end of the orphans');
    await sandbox.logUntil(
      `tcp-proxy-${port}`,
      new RegExp(`taken over from pid ${pid}, which PM2 no longer has; nobody listened for \\d+ ms`),
    );
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'the upstream');
  });
});
