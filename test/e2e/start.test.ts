import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { HAS_PROCFS, listProcFolder, readProcFile } from '../../src/system/proc/procfs.ts';
import { type Outcome, openPm2Sandbox, openUpstream, type Pm2Sandbox } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { needs } from '../support/requirements.ts';

/** One proxy with an upstream, and one without. */
const rig = async (t: TestContext) => {
  const sandbox = openPm2Sandbox({ COLUMNS: '300' });
  const upstream = await openUpstream();
  // First, since the sandbox throws for an app's error, and an open server would keep this process.
  t.after(() => upstream.close());
  t.after(() => sandbox.close());
  const [served, other, nobody] = [await freePort(), await freePort(), await freePort()];
  sandbox.configure([
    { listen: `127.0.0.1:${served}`, upstream: `127.0.0.1:${upstream.port}`, label: 'one' },
    { listen: `127.0.0.1:${other}`, upstream: `127.0.0.1:${nobody}`, label: 'two' },
  ]);
  return { sandbox, served, other, nobody };
};

/** @returns the lines of the ports: without the line before them, and what follows the empty line */
const portLines = ({ stdout }: Outcome): readonly string[] =>
  (stdout.split('\n\n')[0] ?? '').split('\n').slice(1);

const NEXT = /^Next: node .*dist\/cli\.js status {2}or {2}node .*dist\/cli\.js logs$/m;

test('start says what works and where, and what does not and why, and an upstream that is down is no failed start', async (t) => {
  const { sandbox, served, other, nobody } = await rig(t);
  const expected = [
    `✓ ${served}  one  listens on 127.0.0.1:${served}`,
    `✗ ${other}  two  DOWN (upstream_down): nothing listens on 127.0.0.1:${nobody}. Start the application, or correct "upstream"; the proxy is fine`,
  ];
  const first = await sandbox.steadyport('start');
  assert.deepEqual([first.code, first.stderr], [0, '']);
  assert.match(first.stdout, new RegExp(`^Starts: tcp-proxy-${served}, tcp-proxy-${other}, proxy-monitor\n`));
  assert.deepEqual(portLines(first), expected);
  assert.match(first.stdout, NEXT);

  const second = await sandbox.steadyport('start');
  assert.deepEqual([second.code, second.stderr], [0, '']);
  assert.match(second.stdout, /^Everything runs as configured; nothing was touched\.\n/);
  assert.deepEqual(portLines(second), expected);

  // The monitor goes on, and its last verdict was on the process before.
  await sandbox.pm2('delete', `tcp-proxy-${served}`);
  const third = await sandbox.steadyport('start');
  assert.deepEqual([third.code, third.stderr], [0, '']);
  assert.match(third.stdout, new RegExp(`^Starts: tcp-proxy-${served}\n`));
  assert.deepEqual(portLines(third), expected);
});

test('a port that is disabled is closed by start, and left to others, and no command calls it a fault', async (t) => {
  const { sandbox, served, other } = await rig(t);
  const free = await freePort();
  const entry = {
    listen: `127.0.0.1:${served}`,
    upstream: `127.0.0.1:${free}`,
    label: 'one',
    optional: true,
  };
  const otherEntry = { listen: `127.0.0.1:${other}`, upstream: `127.0.0.1:${free}`, optional: true };
  sandbox.configure([entry, otherEntry]);
  assert.equal((await sandbox.steadyport('start')).code, 0);
  sandbox.configure([{ ...entry, enabled: false }, otherEntry]);
  const started = await sandbox.steadyport('start');
  assert.deepEqual([started.code, started.stderr], [0, '']);
  assert.match(started.stdout, new RegExp(`^Closes: port ${served}, which is disabled in the config\n`));
  assert.match(started.stdout, new RegExp(`^- ${served}  one  disabled in the config$`, 'm'));
  // Nobody else could listen there while the proxy does.
  const squatter = await openUpstream(served);
  t.after(() => squatter.close());
  const text = await sandbox.steadyport('status');
  assert.equal(text.code, 0);
  assert.match(text.stdout, new RegExp(`Disabled: ${served}\\.\n`));
  const { proxies, disabled } = await sandbox.status();
  assert.deepEqual(
    [proxies.map(({ id }) => id), disabled],
    [[String(other)], [{ name: `tcp-proxy-${served}`, id: String(served), port: served, label: 'one' }]],
  );
  assert.equal((await sandbox.steadyport('status', 'one')).code, 0);
  const checked = await sandbox.steadyport('check-config');
  assert.match(checked.stdout, new RegExp(`^  tcp-proxy-${served}  .*  one  \\(disabled\\)$`, 'm'));
  assert.doesNotMatch((await sandbox.pm2('ls')).stdout, new RegExp(`tcp-proxy-${served}`));

  sandbox.configure([entry, otherEntry].map((each) => ({ ...each, enabled: false })));
  const last = await sandbox.steadyport('start');
  assert.deepEqual([last.code, last.stderr], [0, '']);
  const none = await sandbox.status();
  assert.deepEqual([none.proxies, none.disabled.length, typeof none.monitor?.lastCheckAt], [[], 2, 'number']);
  assert.equal((await sandbox.steadyport('status')).code, 0);
});

test('of two starts at once without a daemon one launches it, and the other finds that everything runs', {
  skip: needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)'),
}, async (t) => {
  const { sandbox } = await rig(t);
  t.after(() => {
    for (const pid of daemonsOf(sandbox)) process.kill(pid, 'SIGKILL');
  });
  const outcomes = await Promise.all([sandbox.steadyport('start'), sandbox.steadyport('start')]);
  for (const { code, stderr } of outcomes) assert.equal(code, 0, stderr);
  const openings = outcomes.map(({ stdout }) => stdout.split(/[:;]/)[0] ?? '');
  assert.deepEqual(openings.sort(), ['Everything runs as configured', 'Starts']);
  assert.equal(daemonsOf(sandbox).length, 1);
});

/** The pids of the PM2 daemons of the sandbox. The title shows a daemon, and the system may have cut its end. */
const daemonsOf = ({ env }: Pm2Sandbox): readonly number[] =>
  listProcFolder('/proc')
    .map(Number)
    .filter(
      (pid) =>
        readProcFile(`/proc/${pid}/cmdline`)?.includes(': God Daemon (') &&
        readProcFile(`/proc/${pid}/environ`)?.split('\0').includes(`PM2_HOME=${env['PM2_HOME']}`),
    );

test('a proxy that does not come up is a failed start, and the others are started', async (t) => {
  const { sandbox, served, other } = await rig(t);
  blockStart(sandbox, other);
  const { code, stdout } = await sandbox.steadyport('start');
  assert.equal(code, 1, stdout);
  assert.match(stdout, new RegExp(`^✓ ${served} {2}one {2}listens on`, 'm'));
  assert.match(
    stdout,
    new RegExp(
      `^✗ ${other} {2}two {2}DOWN \\(crash.*The reason may be in its log: npm run logs -- tcp-proxy-${other}$`,
      'm',
    ),
  );
  // The proxy has written why, which is no error of this test.
  assert.equal((await sandbox.steadyport('stop')).code, 0);
  const errors = join(sandbox.folder, 'pm2/logs', `tcp-proxy-${other}-error.log`);
  rmSync(errors);
});

test('an address that the system refuses is a failed start, with the reason and the cure', async (t) => {
  const { sandbox, served, nobody } = await rig(t);
  // TEST-NET-1: no machine has such an address (RFC 5737).
  sandbox.configure([{ listen: `192.0.2.1:${served}`, upstream: `127.0.0.1:${nobody}` }]);
  const { code, stdout } = await sandbox.steadyport('start');
  assert.equal(code, 1, stdout);
  assert.match(stdout, new RegExp(`^✗ ${served} .*DOWN \\(not_listening\\): .*see ip addr`, 'mi'));
});

test('start and status name the process that holds the address of the HTTP, until it is free', async (t) => {
  const { sandbox, served, nobody } = await rig(t);
  const holder = await openUpstream();
  t.after(() => holder.close());
  const address = `127.0.0.1:${holder.port}`;
  sandbox.configure([{ listen: `127.0.0.1:${served}`, upstream: `127.0.0.1:${nobody}` }], { http: address });
  const { code, stdout } = await sandbox.steadyport('start');
  assert.equal(code, 0, stdout);
  const owner = HAS_PROCFS ? ` by pid ${process.pid} \\(.*` : '';
  const line = new RegExp(`^! no HTTP of the monitor {2}${address} is in use${owner}`, 'm');
  assert.match(stdout, line);
  assert.match((await sandbox.steadyport('status')).stdout, line);
  await holder.close();
  await sandbox.snapshotUntil(({ monitor }) => monitor?.http === `http://${address}`);
  assert.doesNotMatch((await sandbox.steadyport('status')).stdout, /no HTTP/);
});

test('a proxy that start replaces after a crash loop is judged by itself, and the other proxies stay', async (t) => {
  const { sandbox, served, other, nobody } = await rig(t);
  const upstream = await openUpstream();
  t.after(() => upstream.close());
  const configure = (drainMs: number): void =>
    sandbox.configure([
      { listen: `127.0.0.1:${served}`, upstream: `127.0.0.1:${upstream.port}`, label: 'one', drainMs },
      { listen: `127.0.0.1:${other}`, upstream: `127.0.0.1:${nobody}`, label: 'two' },
    ]);
  configure(10_000);
  assert.equal((await sandbox.steadyport('start')).code, 0);
  const untouched = await sandbox.proxyUntil(other, ({ pid }) => pid !== null);
  await crashUntilLoop(sandbox, served);
  // It is mended now, and the monitor, which is replaced first, does not see that the process is told to end.
  configure(5_000);
  const { code, stdout } = await sandbox.steadyport('start');
  assert.equal(code, 0, stdout);
  assert.match(stdout, new RegExp(`^Replaces: tcp-proxy-${served}, proxy-monitor: .*\n✓ ${served} `, 'm'));
  const { pid, restarts } = await sandbox.proxyUntil(other, ({ state }) => state === 'down');
  assert.deepEqual([pid, restarts], [untouched.pid, untouched.restarts]);
});

const crashUntilLoop = async (sandbox: Pm2Sandbox, port: number): Promise<void> => {
  for (let killedPid: number | null = null; ; ) {
    const isNext = (pid: number | null): boolean => pid !== null && pid !== killedPid;
    const { cause, pid } = await sandbox.proxyUntil(port, (proxy) => isNext(proxy.pid));
    if (cause === 'crash_loop') return;
    process.kill(Number(pid), 'SIGKILL');
    killedPid = pid;
  }
};

/** The proxy cannot make its folder where a file has that name. */
const blockStart = ({ env }: Pm2Sandbox, port: number): void => {
  const ports = join(env['STEADYPORT_HOME'] ?? '', 'ports');
  mkdirSync(ports, { recursive: true, mode: 0o700 });
  writeFileSync(join(ports, `${port}`), '');
};
