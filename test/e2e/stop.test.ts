import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { isAlive } from '../../src/system/proc/procfs.ts';
import { blockable } from '../support/pm2/blockable-apps.ts';
import { ECOSYSTEM, openPm2Sandbox, openUpstream, type Pm2Sandbox } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { until } from '../support/until.ts';

const isUp = ({ state }: ProxyStatus): boolean => state === 'up';

const connects = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => done(true)).once('error', () => done(false));
    socket.once('connect', () => socket.destroy());
  });

const waitUntilRefused = async (port: number): Promise<void> => {
  await until(async () => !(await connects(port)), `port ${port} refuses`);
};

const waitForEnd = async (...pids: readonly number[]): Promise<void> => {
  await until(() => !pids.some(isAlive), `the end of ${pids.join(', ')}`);
};

/** Tries to connect during the next 8 checks of the monitor. */
const staysRefused = async (sandbox: Pm2Sandbox, port: number): Promise<void> => {
  const checkedAt = new Set<number>();
  await until(async () => {
    assert.equal(await connects(port), false);
    const { monitor } = (await sandbox.ask()) ?? assert.fail('the monitor does not answer');
    if (monitor) checkedAt.add(monitor.lastCheckAt);
    return checkedAt.size >= 8;
  }, '8 checks of the monitor');
};

/** A client that has an answer and keeps its connection. */
const openClient = async (t: TestContext, port: number): Promise<Socket> => {
  const client = connect(port, '127.0.0.1').on('error', () => {});
  t.after(() => client.destroy());
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((done) => client.once('data', done));
  return client;
};

interface Running {
  readonly sandbox: Pm2Sandbox;
  readonly ports: readonly number[];
  /** The pids of the monitor and of the proxies, in this order. */
  readonly pids: readonly number[];
}

/** @param ecosystem makes the file that PM2 is started with. Default: the project's own */
const run = async (
  t: TestContext,
  count: number,
  ecosystem: (sandbox: Pm2Sandbox) => string = () => ECOSYSTEM,
  settings = {},
): Promise<Running> => {
  const sandbox = openPm2Sandbox();
  const upstream = await openUpstream();
  t.after(() => sandbox.close());
  t.after(() => upstream.close());
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  sandbox.configure(
    ports.map((port) => ({ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` })),
    { intervalMs: 100, fastIntervalMs: 50, ...settings },
  );
  await sandbox.pm2('start', ecosystem(sandbox));
  for (const port of ports) await sandbox.proxyUntil(port, isUp);
  const { monitor, proxies } = await sandbox.status();
  return { sandbox, ports, pids: [monitor?.pid, ...proxies.map(({ pid }) => pid)].map(Number) };
};

const killDaemon = async ({ folder }: Pm2Sandbox): Promise<void> => {
  const pid = Number(readFileSync(join(folder, 'pm2/pm2.pid'), 'utf8'));
  process.kill(pid, 'SIGKILL');
  await waitForEnd(pid);
};

/** Each test has a PM2 of its own, and waits most of the time. */
const SIDE_BY_SIDE = { concurrency: 3 };

/** The paths in a folder, and the folder itself as "."; none when it is not there. */
const leftIn = (folder: string): readonly string[] =>
  existsSync(folder) ? ['.', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })] : [];

describe('the port of a proxy with open connections refuses, and goes on refusing', SIDE_BY_SIDE, () => {
  for (const verb of ['stop', 'delete'])
    test(`after pm2 ${verb}`, async (t) => {
      const { sandbox, ports } = await run(t, 1);
      const [port = 0] = ports;
      await openClient(t, port);
      await sandbox.pm2(verb, `tcp-proxy-${port}`);
      await waitUntilRefused(port);
      await staysRefused(sandbox, port);
      assert.equal((await sandbox.proxyUntil(port, () => true)).state, 'stopped');
    });

  test('after npm stop, and nothing is left', async (t) => {
    const { sandbox, ports, pids } = await run(t, 3);
    for (const port of ports) await openClient(t, port);
    const { code, stderr } = await sandbox.steadyport('stop');
    assert.deepEqual([code, stderr], [0, '']);
    for (const port of ports) assert.equal(await connects(port), false);
    assert.deepEqual(pids.filter(isAlive), []);
    assert.equal((await sandbox.pm2('jlist')).stdout.trim().split('\n').at(-1), '[]');
    const daemon = readFileSync(join(sandbox.folder, 'pm2/pm2.log'), 'utf8');
    const monitorGone = daemon.search(/App \[proxy-monitor:\d+\] exited/);
    const firstProxy = daemon.search(/Stopping app:tcp-proxy/);
    assert.ok(monitorGone > 0 && monitorGone < firstProxy, 'the monitor is ended first');
    assert.doesNotMatch(sandbox.log('proxy-monitor'), /⚠️|🚨/);
  });
});

describe('the port of a proxy that hangs refuses long before the kill_timeout, and goes on refusing', () => {
  /** Keeps the monitor from restarting the proxy before PM2 stops it. */
  const NO_RESTARTS = { maxRestarts: 0 };
  const hangs = { 'is stopped by a signal': 'SIGSTOP', 'is blocked': 'SIGUSR2' } as const;
  /** @returns whether PM2 had to wait for the kill_timeout, 11 s: its own log has a line then */
  const waited = ({ folder }: Pm2Sandbox): boolean =>
    /still alive after/.test(readFileSync(join(folder, 'pm2/pm2.log'), 'utf8'));

  for (const [how, signal] of Object.entries(hangs)) {
    for (const verb of ['stop', 'delete'])
      test(`after pm2 ${verb}, when it ${how}`, async (t) => {
        const { sandbox, ports, pids } = await run(t, 1, blockable, NO_RESTARTS);
        const [port = 0, pid = 0] = [ports[0], pids[1]];
        process.kill(pid, signal);
        const before = await sandbox.proxyUntil(port, () => true);
        await sandbox.pm2(verb, `tcp-proxy-${port}`);
        assert.equal(await connects(port), false);
        assert.equal(waited(sandbox), false);
        await staysRefused(sandbox, port);
        const { state, restarts } = await sandbox.proxyUntil(port, () => true);
        assert.deepEqual([state, restarts], ['stopped', before.restarts]);
        await sandbox.logUntil(
          'proxy-monitor',
          new RegExp(
            `Killing the proxy for port ${port} \\(PID: ${pid}\\): PM2 is stopping it, and it does not leave`,
          ),
        );
      });

    test(`after npm stop, when it and the monitor ${how}`, async (t) => {
      const { sandbox, ports, pids } = await run(t, 2, blockable, NO_RESTARTS);
      const [monitor = 0, hung = 0] = pids;
      for (const pid of [monitor, hung]) process.kill(pid, signal);
      const { code, stdout, stderr } = await sandbox.steadyport('stop');
      assert.deepEqual([code, stderr], [0, '']);
      for (const port of ports) assert.equal(await connects(port), false);
      assert.equal(waited(sandbox), false);
      const killed = '; it did not leave by itself, and was killed';
      assert.deepEqual(
        stdout.trim().split('\n').sort(),
        [
          `Taken out of PM2: proxy-monitor${killed}`,
          `Taken out of PM2: tcp-proxy-${ports[0]}${killed}`,
          `Taken out of PM2: tcp-proxy-${ports[1]}`,
        ].sort(),
      );
      assert.deepEqual(pids.filter(isAlive), []);
    });
  }
});

describe('npm stop after PM2 was killed', SIDE_BY_SIDE, () => {
  test('ends the processes that still serve without it, and starts no daemon', async (t) => {
    const { sandbox, ports, pids } = await run(t, 2);
    await killDaemon(sandbox);
    await openClient(t, ports[0] ?? 0);
    const stopped = await sandbox.steadyport('stop');
    assert.deepEqual(
      [stopped.code, stopped.stdout, stopped.stderr],
      [
        0,
        `Stopped what had lost its PM2 daemon: the monitor, ${[...ports]
          .sort()
          .map((port) => `the proxy for ${port}`)
          .join(', ')}.\n`,
        '',
      ],
    );
    for (const port of ports) await waitUntilRefused(port);
    await waitForEnd(...pids);
    assert.match((await sandbox.steadyport('stop')).stdout, /^PM2 runs nothing of /);
    assert.equal((await sandbox.status()).monitor, null);
  });

  test('names the process that does not answer, and exits 1', async (t) => {
    const { sandbox, ports, pids } = await run(t, 1);
    await killDaemon(sandbox);
    const [, pid = 0] = pids;
    process.kill(pid, 'SIGSTOP');
    t.after(() => isAlive(pid) && process.kill(pid, 'SIGKILL'));
    const { code, stderr } = await sandbox.steadyport('stop');
    assert.deepEqual(
      [code, stderr],
      [
        1,
        `steadyport: the proxy for ${ports[0]} still runs and does not answer; end it with: kill -9 ${pid}\n`,
      ],
    );
    const kept = await sandbox.steadyport('uninstall');
    assert.equal(kept.code, 1);
    assert.match(kept.stderr, /nothing was removed, since not everything could be stopped/);
    assert.ok(existsSync(join(sandbox.folder, 'home/monitor.json')));
  });

  test('also ends a monitor that waited to take over from another', async (t) => {
    const { sandbox, ports, pids } = await run(t, 1);
    const [first = 0] = pids;
    await killDaemon(sandbox);
    process.kill(first, 'SIGSTOP');
    t.after(() => isAlive(first) && process.kill(first, 'SIGKILL'));
    await sandbox.pm2('start', ECOSYSTEM);
    const second = Number((await sandbox.pm2('pid', 'proxy-monitor')).stdout);
    assert.ok(isAlive(second) && second !== first);
    await sandbox.logUntil('proxy-monitor', /Another monitor answers/);
    await killDaemon(sandbox);
    await waitForEnd(second);
    process.kill(first, 'SIGCONT');
    const { stdout } = await sandbox.steadyport('stop');
    assert.equal(stdout, `Stopped what had lost its PM2 daemon: the monitor, the proxy for ${ports[0]}.\n`);
    await waitForEnd(...pids);
    assert.match((await sandbox.steadyport('stop')).stdout, /^PM2 runs nothing of /);
  });

  test('does not touch the apps that another PM2 runs with the same config and state', async (t) => {
    const { sandbox, ports } = await run(t, 1);
    const other = openPm2Sandbox({
      STEADYPORT_HOME: sandbox.env['STEADYPORT_HOME'] ?? '',
      STEADYPORT_CONFIG: sandbox.env['STEADYPORT_CONFIG'] ?? '',
    });
    t.after(() => other.close());
    const elsewhere = `; the last start was in another PM2: PM2_HOME=${sandbox.env['PM2_HOME']} npm stop.\n`;
    const stopped = (await other.steadyport('stop')).stdout;
    assert.ok(stopped.startsWith('PM2 runs nothing of ') && stopped.endsWith(elsewhere), stopped);
    const config = sandbox.env['STEADYPORT_CONFIG'];
    const { stdout } = await other.steadyport('uninstall');
    assert.match(
      stdout,
      /not steadyport's or in use: accepted\.json, (monitor-counts\.json, )?monitor\.json, monitor\.sock, ports, project\.json$/m,
    );
    assert.equal((await sandbox.proxyUntil(ports[0] ?? 0, isUp)).failures.total, 0);
    // Once that one is stopped too, it is not named any more.
    assert.equal((await sandbox.steadyport('stop')).code, 0);
    assert.equal((await other.steadyport('stop')).stdout, `PM2 runs nothing of ${config}.\n`);
  });
});

describe('npm run uninstall', SIDE_BY_SIDE, () => {
  const names = (path: string): string[] =>
    (JSON.parse(readFileSync(path, 'utf8')) as { name: string }[]).map(({ name }) => name);

  test('with PM2 dead: no process, no saved entry but those of others, no state', async (t) => {
    const { sandbox, ports, pids } = await run(t, 1);
    const saved = join(sandbox.folder, 'pm2/dump.pm2');
    const backup = join(sandbox.folder, 'pm2/dump.pm2.bak');
    const script = join(sandbox.folder, 'other.js');
    writeFileSync(script, 'setInterval(() => {}, 1e6)');
    await sandbox.pm2('start', script);
    for (let twice = 0; twice < 2; twice += 1) await sandbox.pm2('save');
    assert.equal(names(backup).length, 3);
    const entry = (path: string): object | undefined =>
      (JSON.parse(readFileSync(path, 'utf8')) as { name: string }[]).find(({ name }) => name === 'other');
    const kept = [entry(saved), entry(backup)];
    const other = Number((await sandbox.pm2('pid', 'other')).stdout);
    t.after(() => isAlive(other) && process.kill(other, 'SIGKILL'));
    await killDaemon(sandbox);
    writeFileSync(join(sandbox.folder, 'home/notes.txt'), 'of somebody else');

    const { code, stdout, stderr } = await sandbox.steadyport('uninstall');
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual([names(saved), names(backup)], [['other'], ['other']]);
    assert.deepEqual([entry(saved), entry(backup)], kept);
    for (const port of ports) await waitUntilRefused(port);
    await waitForEnd(...pids);
    assert.equal(existsSync(join(sandbox.folder, 'home/monitor.json')), false);
    assert.match(stdout, /^Removed: the entries in PM2's saved list, the state in .*home\.$/m);
    assert.match(stdout, /^ {2}in .*home, not steadyport's or in use: notes\.txt$/m);
    assert.match(stdout, new RegExp(`^ {2}the logs of the apps: .*tcp-proxy-${ports[0]}-out\\.log`, 'm'));
    assert.doesNotMatch(stdout, /the PM2 daemon/);
  });

  test('with PM2 alive, and reports what PM2 still runs', async (t) => {
    const { sandbox } = await run(t, 1);
    await sandbox.pm2('save');
    writeFileSync(join(sandbox.folder, 'home/logrotate.conf'), '');
    const { code, stdout, stderr } = await sandbox.steadyport('uninstall');
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual(names(join(sandbox.folder, 'pm2/dump.pm2')), []);
    assert.deepEqual(leftIn(join(sandbox.folder, 'home')), [], stdout);
    assert.match(stdout, /^ {2}the line for logrotate in your crontab, if you put it there: crontab -e$/m);
    assert.match(stdout, /^ {2}the PM2 daemon of .*, with nothing to run; end it with: npx pm2 kill$/m);
    const again = await sandbox.steadyport('uninstall');
    assert.deepEqual([again.code, again.stderr], [0, '']);
  });

  test('leaves a saved list that it cannot read, and says so', async (t) => {
    const sandbox = openPm2Sandbox();
    t.after(() => sandbox.close());
    sandbox.configure([{ listen: 'nowhere', upstream: 'nobody' }]);
    const saved = join(sandbox.folder, 'pm2/dump.pm2');
    mkdirSync(join(sandbox.folder, 'pm2'));
    writeFileSync(saved, '[{"name": "proxy-mon');
    const { code, stderr } = await sandbox.steadyport('uninstall');
    assert.equal(code, 1);
    assert.match(stderr, /^steadyport: .*dump\.pm2 was left as it is: .*JSON/);
    assert.equal(readFileSync(saved, 'utf8'), '[{"name": "proxy-mon');
  });
});
