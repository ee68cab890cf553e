import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { SnapshotWithEvidence } from '../../src/status/evidence.ts';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { ECOSYSTEM, openPm2Sandbox, openUpstream, type Pm2Sandbox } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';

const isUp = ({ state }: ProxyStatus): boolean => state === 'up';

interface Running {
  readonly sandbox: Pm2Sandbox;
  readonly ports: readonly [number, number];
}

/** Starts two proxies and the monitor. @param change JavaScript that changes each proxy's app: app → app */
const run = async (t: TestContext, change = '(app) => app'): Promise<Running> => {
  const sandbox = openPm2Sandbox();
  const upstream = await openUpstream();
  // A daemon that is stopped by SIGSTOP cannot end: it is continued first.
  t.after(() => signalDaemon(sandbox, 'SIGCONT'));
  t.after(() => sandbox.close());
  t.after(() => upstream.close());
  const ports = [await freePort(), await freePort()] as const;
  sandbox.configure(
    ports.map((port) => ({ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` })),
    { intervalMs: 100, fastIntervalMs: 50 },
  );
  const file = join(sandbox.folder, 'changed.config.cjs');
  writeFileSync(
    file,
    `const { apps } = require(${JSON.stringify(ECOSYSTEM)});
     module.exports = { apps: apps.map((app) => (app.name === 'proxy-monitor' ? app : (${change})(app))) };`,
  );
  await sandbox.pm2('start', file);
  for (const port of ports) await sandbox.proxyUntil(port, isUp);
  return { sandbox, ports };
};

const signalDaemon = ({ folder }: Pm2Sandbox, name: NodeJS.Signals): boolean =>
  process.kill(Number(readFileSync(join(folder, 'pm2/pm2.pid'), 'utf8')), name);

/** @returns JavaScript that writes a file beside STEADYPORT_HOME */
const writing = (name: string, text: string): string =>
  `require('node:fs').writeFileSync(require('node:path').join(app.env.STEADYPORT_HOME, '..', ${JSON.stringify(name)}), ${JSON.stringify(text)});`;

/** Each test has a PM2 of its own, and waits most of the time. */
describe("PM2's peculiarities", { concurrency: true }, () => {
  test('a daemon that hangs is reported, and a restart that was requested meanwhile is not done twice when it continues', async (t) => {
    const { sandbox, ports } = await run(t);
    const [port] = ports;
    const { pid } = await sandbox.proxyUntil(port, isUp);
    signalDaemon(sandbox, 'SIGSTOP');
    const now = await sandbox.snapshotUntil(({ monitor }) => monitor?.pm2Problem != null);
    assert.match(now.monitor?.pm2Problem ?? '', /^PM2 did not answer within \d+ ms$/);
    assert.ok(now.proxies.every(isUp), 'the proxies go on without it');

    process.kill(Number(pid), 'SIGSTOP');
    const down = await sandbox.proxyUntil(port, ({ state }) => state === 'down');
    assert.deepEqual([down.cause, down.pid], ['stopped_by_signal', pid]);
    const failed = `Restart of proxy for port ${port} failed: PM2 did not answer`;
    // The daemon writes the apps' logs: while it is stopped, only the monitor's status has its lines.
    await sandbox.snapshotUntil(({ log }) => log.some((line) => line.includes(failed)));

    signalDaemon(sandbox, 'SIGCONT');
    const back = await sandbox.proxyUntil(port, (proxy) => isUp(proxy) && proxy.pid !== pid);
    await sandbox.logUntil('proxy-monitor', /PM2 answers again/);
    await sandbox.checks(20);
    const later = await sandbox.proxyUntil(port, isUp);
    assert.deepEqual([later.pid, later.restarts.forced], [back.pid, 1]);
    assert.equal((await sandbox.proxyUntil(ports[1], isUp)).restarts.forced, 0);
  });

  test('an app that PM2 has given up, which stays "waiting restart", is restarted', async (t) => {
    const { sandbox, ports } = await run(t, '(app) => ({ ...app, autorestart: false })');
    const [port] = ports;
    for (const crashes of [1, 2]) {
      const { pid } = await sandbox.proxyUntil(port, isUp);
      process.kill(Number(pid), 'SIGKILL');
      const back = await sandbox.proxyUntil(port, (proxy) => isUp(proxy) && proxy.pid !== pid);
      assert.deepEqual(back.restarts, { crash: crashes, forced: 0 });
    }
    const attempt = `Attempting to restart proxy for port ${port}\\.\\.\\.`;
    await sandbox.logUntil('proxy-monitor', new RegExp(`${attempt}[^]*${attempt}`));
    assert.equal(sandbox.log('proxy-monitor').match(new RegExp(attempt, 'g'))?.length, 2);
  });

  test('a crash loop is alerted once and left to PM2, and the other proxies are not touched', async (t) => {
    const preload = 'preload.cjs';
    const change = `(app) => {
    const preload = require('node:path').join(app.env.STEADYPORT_HOME, '..', '${preload}');
    return { ...app, node_args: ['--require', preload] };
  }`;
    const crash = `const { existsSync } = require('node:fs');
    if (existsSync(__dirname + '/crash-' + process.argv.at(-1))) process.exit(3);`;
    const { sandbox, ports } = await run(
      t,
      `(app) => { ${writing(preload, crash)} return (${change})(app); }`,
    );
    const [port, otherPort] = ports;
    const untouched = await sandbox.proxyUntil(otherPort, isUp);
    const { pid } = await sandbox.proxyUntil(port, isUp);
    const cause = join(sandbox.folder, `crash-tcp-proxy-${port}`);
    writeFileSync(cause, '');
    process.kill(Number(pid), 'SIGKILL');
    const looping = await sandbox.proxyUntil(port, (proxy) => proxy.cause === 'crash_loop');
    assert.ok(looping.restarts.crash >= 5, `${looping.restarts.crash} crashes`);
    assert.equal(looping.detail, 'exited with code 3');
    await sandbox.checks(20);
    await sandbox.logUntil('proxy-monitor', /ALERT: Proxy for port/);
    const alerts = sandbox.log('proxy-monitor').split(/ALERT: Proxy for port/).length - 1;
    const now = await sandbox.proxyUntil(port, () => true);
    assert.deepEqual([alerts, now.cause, now.restarts.forced], [1, 'crash_loop', 0]);
    assert.doesNotMatch(sandbox.log('proxy-monitor'), /Attempting to restart/);
    const still = await sandbox.proxyUntil(otherPort, isUp);
    assert.deepEqual([still.pid, still.failures.total], [untouched.pid, untouched.failures.total]);
    rmSync(cause);
    await sandbox.proxyUntil(port, (proxy) => proxy.pm2 === 'online' && proxy.engine !== null);
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'the upstream');

    // A restart by the operator ends it at once, not after 30 s.
    const { pid: lastOfLoop } = await sandbox.proxyUntil(port, ({ state }) => state === 'degraded');
    await sandbox.pm2('restart', `tcp-proxy-${port}`);
    await sandbox.proxyUntil(port, (proxy) => isUp(proxy) && proxy.pid !== lastOfLoop);
    const { stdout } = await sandbox.steadyport('status', '--json', '--evidence');
    const { proxies } = JSON.parse(stdout) as SnapshotWithEvidence;
    assert.equal(proxies.find(({ id }) => id === String(port))?.evidence?.evidence.crashes, 'few');
  });

  test('a second monitor waits until the first one exits, and continues with its state', async (t) => {
    const { sandbox, ports } = await run(t);
    const [port] = ports;
    const { pid } = await sandbox.proxyUntil(port, isUp);
    process.kill(Number(pid), 'SIGKILL');
    const before = await sandbox.proxyUntil(port, (proxy) => isUp(proxy) && proxy.pid !== pid);
    const first = (await sandbox.ask())?.monitor?.pid;
    assert.ok(first);

    const cli = join(process.cwd(), 'dist/cli.js');
    const second = spawn(process.execPath, [cli, 'monitor'], {
      env: sandbox.env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => second.kill('SIGKILL'));
    let output = '';
    second.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    while (!output.includes('Another monitor answers on')) await once(second.stdout, 'data');
    await sandbox.checks(10);
    assert.equal((await sandbox.ask())?.monitor?.pid, first);
    assert.doesNotMatch(output, /Monitoring/);

    await sandbox.pm2('stop', 'proxy-monitor');
    await sandbox.snapshotUntil(({ monitor }) => monitor?.pid === second.pid);
    const after = await sandbox.proxyUntil(port, isUp);
    assert.deepEqual(
      [after.pid, after.restarts, after.failures.total],
      [before.pid, before.restarts, before.failures.total],
    );
    second.kill('SIGTERM');
    assert.deepEqual(await once(second, 'exit'), [0, null]);
  });
});
