import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { ECOSYSTEM, openStation, openUpstream, type Station } from '../support/pm2-sandbox.ts';
import { freePort } from '../support/proxy-harness.ts';

const isUp = ({ state }: ProxyStatus): boolean => state === 'up';

interface Running {
  readonly station: Station;
  readonly ports: readonly [number, number];
}

/** Two proxies and the monitor. @param change what each proxy's app is otherwise, as JavaScript: app → app */
const run = async (t: TestContext, change = '(app) => app'): Promise<Running> => {
  const [station, upstream] = [openStation(), await openUpstream()];
  // A daemon that is stopped is not to be ended: it is woken first.
  t.after(() => signalDaemon(station, 'SIGCONT'));
  t.after(() => station.close());
  t.after(() => upstream.close());
  const ports = [await freePort(), await freePort()] as const;
  station.configure(
    ports.map((port) => ({ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` })),
    { intervalMs: 100, fastIntervalMs: 50 },
  );
  const file = join(station.folder, 'changed.config.cjs');
  writeFileSync(
    file,
    `const { apps } = require(${JSON.stringify(ECOSYSTEM)});
     module.exports = { apps: apps.map((app) => (app.name === 'proxy-monitor' ? app : (${change})(app))) };`,
  );
  assert.equal((await station.pm2('start', file)).code, 0);
  for (const port of ports) await station.proxyUntil(port, isUp);
  return { station, ports };
};

const signalDaemon = ({ folder }: Station, name: NodeJS.Signals): boolean =>
  process.kill(Number(readFileSync(join(folder, 'pm2/pm2.pid'), 'utf8')), name);

/** So many more looks of the monitor. */
const looks = async (station: Station, count: number): Promise<void> => {
  for (const seen = new Set<number>(); seen.size <= count; )
    seen.add((await station.status()).monitor?.lastCheckAt ?? 0);
};

test('a daemon that hangs is said so, and what was asked of it meanwhile is not done twice when it wakes', async (t) => {
  const { station, ports } = await run(t);
  const [port] = ports;
  const { pid } = await station.proxyUntil(port, isUp);
  signalDaemon(station, 'SIGSTOP');
  let now = await station.status();
  while (!now.monitor?.pm2Problem) now = await station.status();
  assert.match(now.monitor.pm2Problem, /^PM2 did not answer within \d+ ms$/);
  assert.ok(now.proxies.every(isUp), 'the proxies go on without it');

  process.kill(Number(pid), 'SIGSTOP');
  const down = await station.proxyUntil(port, ({ state }) => state === 'down');
  assert.deepEqual([down.cause, down.pid], ['stopped_by_signal', pid]);
  const failed = `Restart of proxy for port ${port} failed: PM2 did not answer`;
  // The daemon writes the apps' logs: while it is stopped only the monitor itself has its lines.
  while (!(await station.status()).log.some((line) => line.includes(failed)));

  signalDaemon(station, 'SIGCONT');
  const back = await station.proxyUntil(port, (proxy) => isUp(proxy) && proxy.pid !== pid);
  assert.match(station.log('proxy-monitor'), /PM2 answers again/);
  await looks(station, 20);
  const later = await station.proxyUntil(port, isUp);
  assert.deepEqual([later.pid, later.restarts.forced], [back.pid, 1]);
  assert.equal((await station.proxyUntil(ports[1], isUp)).restarts.forced, 0);
});

test('an app that PM2 has given up, "waiting restart" for ever, is brought back', async (t) => {
  const { station, ports } = await run(t, '(app) => ({ ...app, autorestart: false })');
  const [port] = ports;
  for (const crashes of [1, 2]) {
    const { pid } = await station.proxyUntil(port, isUp);
    process.kill(Number(pid), 'SIGKILL');
    const back = await station.proxyUntil(port, (proxy) => isUp(proxy) && proxy.pid !== pid);
    assert.deepEqual(back.restarts, { crash: crashes, forced: 0 });
  }
  const tries = station.log('proxy-monitor').split(`Attempting to restart proxy for port ${port}...`);
  assert.equal(tries.length - 1, 2);
});

test('a proxy that crashes again and again is told once and left to PM2, and the others are not touched', async (t) => {
  const [folder, preload] = ['STEADYPORT_HOME', 'preload.cjs'];
  const change = `(app) => {
    const preload = require('node:path').join(app.env.${folder}, '..', '${preload}');
    return { ...app, node_args: ['--require', preload] };
  }`;
  const crash = `const { existsSync } = require('node:fs');
    if (existsSync(__dirname + '/crash-' + process.argv.at(-1))) process.exit(3);`;
  const { station, ports } = await run(t, `(app) => { ${writing(preload, crash)} return (${change})(app); }`);
  const [port, other] = ports;
  const untouched = await station.proxyUntil(other, isUp);
  const { pid } = await station.proxyUntil(port, isUp);
  const cause = join(station.folder, `crash-tcp-proxy-${port}`);
  writeFileSync(cause, '');
  process.kill(Number(pid), 'SIGKILL');
  const looping = await station.proxyUntil(port, (proxy) => proxy.cause === 'crash_loop');
  assert.ok(looping.restarts.crash >= 5, `${looping.restarts.crash} crashes`);
  assert.equal(looping.detail, 'exited with code 3');
  await looks(station, 20);
  const alerts = station.log('proxy-monitor').split(/ALERT: Proxy for port/).length - 1;
  const now = await station.proxyUntil(port, () => true);
  assert.deepEqual([alerts, now.cause, now.restarts.forced], [1, 'crash_loop', 0]);
  assert.doesNotMatch(station.log('proxy-monitor'), /Attempting to restart/);
  const still = await station.proxyUntil(other, isUp);
  assert.deepEqual([still.pid, still.failures.total], [untouched.pid, untouched.failures.total]);
  rmSync(cause);
  await station.proxyUntil(port, (proxy) => proxy.pm2 === 'online' && proxy.engine !== null);
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'the upstream');
});

/** JavaScript that writes a file beside STEADYPORT_HOME. */
const writing = (name: string, text: string): string =>
  `require('node:fs').writeFileSync(require('node:path').join(app.env.STEADYPORT_HOME, '..', ${JSON.stringify(name)}), ${JSON.stringify(text)});`;

test('a second monitor waits until the first one leaves, and goes on where it was', async (t) => {
  const { station, ports } = await run(t);
  const [port] = ports;
  const { pid } = await station.proxyUntil(port, isUp);
  process.kill(Number(pid), 'SIGKILL');
  const before = await station.proxyUntil(port, (proxy) => isUp(proxy) && proxy.pid !== pid);
  const first = (await station.status()).monitor?.pid;

  const cli = join(process.cwd(), 'dist/cli.js');
  const second = spawn(process.execPath, [cli, 'monitor'], {
    env: station.env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => second.kill('SIGKILL'));
  let output = '';
  second.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  while (!output.includes('Another monitor answers on')) await once(second.stdout, 'data');
  await looks(station, 10);
  assert.equal((await station.status()).monitor?.pid, first);
  assert.doesNotMatch(output, /Monitoring/);

  assert.equal((await station.pm2('stop', 'proxy-monitor')).code, 0);
  let now = await station.status();
  while (now.monitor?.pid !== second.pid) now = await station.status();
  const after = await station.proxyUntil(port, isUp);
  assert.deepEqual(
    [after.pid, after.restarts, after.failures.total],
    [before.pid, before.restarts, before.failures.total],
  );
  second.kill('SIGTERM');
  assert.deepEqual(await once(second, 'exit'), [0, null]);
});
