import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ROOT } from '../../src/config/project-root.ts';
import type { ListedApp } from '../../src/pm2/rpc.ts';
import { readInteger } from '../../src/system/files.ts';
import { HAS_PROCFS, isAlive } from '../../src/system/proc/procfs.ts';
import { openPm2Sandbox, openUpstream, type Pm2Sandbox } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { needs } from '../support/requirements.ts';
import { tempFolder } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

/** Two proxies with one upstream. */
const rig = async (t: TestContext, env: Readonly<Record<string, string>> = {}) => {
  const sandbox = openPm2Sandbox({ COLUMNS: '300', ...env });
  const upstream = await openUpstream();
  // First, since the sandbox throws for an app's error, and an open server would keep this process.
  t.after(() => upstream.close());
  t.after(() => sandbox.close());
  const [first, second] = [await freePort(), await freePort()];
  const proxyAt = (port: number): object => ({
    listen: `127.0.0.1:${port}`,
    upstream: `127.0.0.1:${upstream.port}`,
  });
  sandbox.configure([proxyAt(first), proxyAt(second)]);
  return { sandbox, first, second, proxyAt, apps: [`tcp-proxy-${first}`, `tcp-proxy-${second}`] as const };
};

/** PM2's list, with each app as often as PM2 has it. */
const list = async (sandbox: Pm2Sandbox): Promise<readonly ListedApp[]> => {
  const { stdout } = await sandbox.pm2('jlist');
  return JSON.parse(stdout.slice(stdout.indexOf('[{'))) as ListedApp[];
};

const pidsOf = async (sandbox: Pm2Sandbox): Promise<ReadonlyMap<string, number>> =>
  new Map((await list(sandbox)).map(({ name = '', pid = 0 }) => [name, pid]));

const startWell = async (sandbox: Pm2Sandbox, ...names: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await sandbox.steadyport('start', ...names);
  assert.deepEqual([code, stderr], [0, ''], stdout);
  return stdout;
};

const openClient = async (t: TestContext, port: number): Promise<Socket> => {
  const client = connect(port, '127.0.0.1');
  client.on('error', () => {});
  t.after(() => client.destroy());
  await once(client, 'connect');
  return client;
};

test('start takes out what pm2 restart --update-env has put into an app, and touches no other', async (t) => {
  const { sandbox, apps } = await rig(t);
  await startWell(sandbox);
  Object.assign(sandbox.env, { PLANTED: 'planted-value' });
  await sandbox.pm2('restart', apps[0], '--update-env');
  const before = await pidsOf(sandbox);
  const stdout = await startWell(sandbox);
  assert.match(stdout, new RegExp(`^Replaces: ${apps[0]}: environment: .* \\(there, and should not be\\)\n`));
  assert.doesNotMatch(stdout, /planted-value/);
  assert.doesNotMatch((await sandbox.pm2('jlist')).stdout, /planted-value/);
  const after = await pidsOf(sandbox);
  for (const name of [apps[1], 'proxy-monitor']) assert.equal(after.get(name), before.get(name), name);
  assert.match(await startWell(sandbox), /^Everything runs as configured; nothing was touched\.\n/);
});

test('start ends the copies that pm2 scale has made, and no connection', async (t) => {
  const { sandbox, first, apps } = await rig(t);
  await startWell(sandbox);
  const { pid } = await sandbox.proxyUntil(first, ({ state }) => state === 'up');
  const client = await openClient(t, first);
  await sandbox.proxyUntil(first, ({ connections }) => connections?.active === 1);
  await sandbox.pm2('scale', apps[0], '2');
  assert.match(
    await startWell(sandbox),
    new RegExp(`^Ends copies: ${apps[0]}: 2 copies; the one with the port goes on\n`),
  );
  const named = (await list(sandbox)).filter(({ name }) => name === apps[0]);
  assert.deepEqual([named.length, named[0]?.pid, client.closed], [1, pid, false]);
});

test('start says which ports it closes, with their connections, and then closes them', async (t) => {
  const { sandbox, first, second, proxyAt, apps } = await rig(t);
  await startWell(sandbox);
  const client = await openClient(t, second);
  await sandbox.proxyUntil(second, ({ connections }) => connections?.active === 1);
  sandbox.configure([proxyAt(first)]);
  const closes = new RegExp(`^Closes: port ${second}, which is no longer in the config, with 1 connection\n`);
  const dry = await sandbox.steadyport('start', '--dry-run');
  assert.equal(dry.code, 1, dry.stderr);
  assert.match(dry.stdout, closes);
  assert.equal(client.closed, false);
  assert.match(await startWell(sandbox), closes);
  assert.equal((await pidsOf(sandbox)).has(apps[1]), false);
  await until(() => client.closed, 'the end of the connection');
});

test('start replaces and closes what an earlier version has started, which knew no projects', async (t) => {
  const { sandbox, first, second, proxyAt, apps } = await rig(t);
  const { PM2_HOME, STEADYPORT_HOME, STEADYPORT_CONFIG = '' } = sandbox.env;
  const env = { PM2_HOME, STEADYPORT_HOME, STEADYPORT_CONFIG, STEADYPORT_REVISION: 'earlier' };
  const common = {
    script: join(process.cwd(), 'dist/cli.js'),
    cwd: process.cwd(),
    filter_env: [''],
    wait_ready: true,
    env,
  };
  const earlierApps = [
    ...apps.map((name) => ({ ...common, name, args: ['run', name] })),
    { ...common, name: 'proxy-monitor', args: ['monitor'] },
  ];
  const file = join(sandbox.folder, 'earlier.json');
  writeFileSync(file, JSON.stringify({ apps: earlierApps }));
  await sandbox.pm2('start', file);

  const otherConfig = join(sandbox.folder, 'other.json');
  writeFileSync(otherConfig, JSON.stringify({ proxies: [proxyAt(first)] }));
  Object.assign(sandbox.env, { STEADYPORT_CONFIG: otherConfig });
  const refused = await sandbox.steadyport('start', '--take-over');
  assert.equal(refused.code, 2, refused.stdout);
  assert.ok(refused.stderr.includes(`with the config ${STEADYPORT_CONFIG}, has it already`), refused.stderr);
  Object.assign(sandbox.env, { STEADYPORT_CONFIG });

  sandbox.configure([proxyAt(first)]);
  const stdout = await startWell(sandbox);
  assert.match(stdout, new RegExp(`^Closes: port ${second}, which is no longer in the config`));
  assert.match(stdout, new RegExp(`\nReplaces: ${apps[0]}: another folder: `));
  assert.deepEqual([...(await pidsOf(sandbox)).keys()].sort(), ['proxy-monitor', apps[0]]);
  assert.match(await startWell(sandbox), /^Everything runs as configured; nothing was touched\.\n/);
});

test('a dry run says what a start would do, by its exit code too, and touches nothing', {
  skip: needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)'),
}, async (t) => {
  const { sandbox, apps } = await rig(t);
  const dryRun = () => sandbox.steadyport('start', '--dry-run');
  const first = await dryRun();
  assert.deepEqual([first.code, first.stderr], [1, '']);
  assert.match(first.stdout, new RegExp(`^Starts: ${apps.join(', ')}, proxy-monitor\nNothing was touched`));
  for (const variable of ['PM2_HOME', 'STEADYPORT_HOME'])
    assert.equal(existsSync(sandbox.env[variable] ?? ''), false, variable);

  const npm = { npm_lifecycle_event: 'start', npm_package_name: 'steadyport', npm_config_dry_run: 'true' };
  Object.assign(sandbox.env, npm);
  assert.equal((await sandbox.steadyport('start')).code, 1, 'npm has kept the option');
  for (const name of Object.keys(npm)) Reflect.deleteProperty(sandbox.env, name);

  await startWell(sandbox);
  const before = await pidsOf(sandbox);
  const second = await dryRun();
  assert.deepEqual([second.code, second.stderr], [0, '']);
  assert.match(second.stdout, /^Everything runs as configured; nothing was touched\.\n$/);
  await sandbox.pm2('delete', apps[0]);
  assert.equal((await dryRun()).code, 1);
  assert.deepEqual(
    [...(await pidsOf(sandbox))],
    [...before].filter(([name]) => name !== apps[0]),
  );

  assert.equal((await sandbox.steadyport('start', '--dry-run', 'nosuch')).code, 2);
  rmSync(join(sandbox.env['PM2_HOME'] ?? '', 'rpc.sock'));
  assert.equal((await dryRun()).code, 4);
  writeFileSync(sandbox.env['STEADYPORT_CONFIG'] ?? '', '{');
  assert.equal((await dryRun()).code, 2);
});

/** A start that replaces the first of two apps, whose process PM2 has told to end and which hangs, until `letGo`. */
const startInTheMiddle = async (t: TestContext) => {
  const { sandbox, first, second, proxyAt, apps } = await rig(t);
  await startWell(sandbox);
  const { pid } = await sandbox.proxyUntil(first, ({ state }) => state === 'up');
  const proxy = pid ?? assert.fail();
  sandbox.configure([{ ...proxyAt(first), maxConnections: 77 }, proxyAt(second)]);
  // PM2 waits for it, and so does the start.
  process.kill(proxy, 'SIGSTOP');
  const cli = join(ROOT, 'dist/cli.js');
  const start = spawn(process.execPath, [cli, 'start'], { env: sandbox.env, stdio: 'ignore' });
  const ended = once(start, 'exit');
  const log = join(sandbox.env['PM2_HOME'] ?? '', 'pm2.log');
  await until(() => readFileSync(log, 'utf8').includes(`Stopping app:${apps[0]} `), "PM2's stop of the app");
  // The start has killed it by now where this test is slow.
  const letGo = (): boolean => isAlive(proxy) && process.kill(proxy, 'SIGCONT');
  return { sandbox, apps, start, ended, letGo };
};

const NEEDS_PROCFS = { skip: needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)') };

test('what a start that was killed has taken out comes back by the next one', NEEDS_PROCFS, async (t) => {
  const { sandbox, apps, start, ended, letGo } = await startInTheMiddle(t);
  start.kill('SIGKILL');
  await ended;
  letGo();
  assert.doesNotMatch(await startWell(sandbox), /^Leaves stopped/m);
  assert.notEqual((await pidsOf(sandbox)).get(apps[0]), 0);
});

for (const [what, signal] of [
  ['whose terminal hangs up', 'SIGHUP'],
  ['that is ended by Ctrl-C', 'SIGINT'],
  ['that is asked to end', 'SIGTERM'],
] as const)
  test(`a start ${what} in the middle brings back what it has taken out`, NEEDS_PROCFS, async (t) => {
    const { sandbox, start, ended, letGo } = await startInTheMiddle(t);
    start.kill(signal);
    letGo();
    assert.deepEqual(await ended, [0, null]);
    assert.match(await startWell(sandbox), /^Everything runs as configured/);
  });

test('what an operator stopped stays stopped, over a new PM2 daemon too, until it is named', async (t) => {
  const { sandbox, first, second, apps } = await rig(t);
  await startWell(sandbox);
  await sandbox.pm2('stop', apps[0]);
  const left = new RegExp(`^Leaves stopped: ${apps[0]}; to start: node .*cli\\.js start ${first}\n`);
  const withStopped = await startWell(sandbox);
  assert.match(withStopped, left);
  assert.match(
    withStopped,
    new RegExp(`^■ ${first} .*: start it again with: npx pm2 start ${apps[0]}$`, 'm'),
  );
  await sandbox.pm2('save');
  await sandbox.pm2('kill');
  await sandbox.pm2('resurrect');
  await sandbox.proxyUntil(second, ({ state }) => state === 'up');
  const stdout = await startWell(sandbox);
  assert.match(stdout, left);
  assert.doesNotMatch(stdout, /Starts|Replaces/);
  const stopped = (await list(sandbox)).find(({ name }) => name === apps[0]);
  assert.equal(stopped?.pm2_env?.status, 'stopped');

  const before = await pidsOf(sandbox);
  assert.match(await startWell(sandbox, `${first}`), new RegExp(`^Starts: ${apps[0]}: was stopped\n`));
  await sandbox.proxyUntil(first, ({ state }) => state === 'up');
  const after = await pidsOf(sandbox);
  for (const name of [apps[1], 'proxy-monitor']) assert.equal(after.get(name), before.get(name), name);
});

test('start says which processes without a PM2 daemon it makes leave, with their connections', async (t) => {
  const { sandbox, first, apps } = await rig(t);
  await startWell(sandbox);
  const before = await pidsOf(sandbox);
  // They stay when the daemon does not come back.
  t.after(() =>
    Promise.all([...before.values()].map((pid) => until(() => !isAlive(pid), `the end of ${pid}`))),
  );
  await openClient(t, first);
  await sandbox.proxyUntil(first, ({ connections }) => connections?.active === 1);
  const daemon = readInteger(join(sandbox.env['PM2_HOME'] ?? '', 'pm2.pid')) ?? assert.fail();
  process.kill(daemon, 'SIGKILL');
  await until(() => !isAlive(daemon), 'the end of the daemon');
  const starts = new RegExp(
    `^Starts: ${apps.join(', ')}: the process that serves it has no PM2 daemon, and leaves, with 1 connection\nStarts: proxy-monitor\n`,
  );
  const dry = await sandbox.steadyport('start', '--dry-run');
  assert.match(dry.stdout, starts);
  assert.match(await startWell(sandbox), starts);
});

test('start brings a stopped monitor back, and says that nothing was supervised', async (t) => {
  const { sandbox } = await rig(t);
  await startWell(sandbox);
  await sandbox.pm2('stop', 'proxy-monitor');
  assert.match(await startWell(sandbox), /^Starts: proxy-monitor: was stopped, and nothing was supervised\n/);
  assert.ok((await sandbox.ask())?.monitor);
});

test('start renews every app whose node is gone, so that the next crash brings it back', async (t) => {
  const nodes = tempFolder();
  const pathOf = (version: string): string => `${join(nodes, version)}:/usr/sbin:/sbin`;
  for (const version of ['old', 'new']) {
    mkdirSync(join(nodes, version));
    symlinkSync(process.execPath, join(nodes, version, 'node'));
  }
  const { sandbox, first, second, apps } = await rig(t, { PATH: pathOf('old') });
  await startWell(sandbox);
  const before = await pidsOf(sandbox);
  rmSync(join(nodes, 'old'), { recursive: true });
  Object.assign(sandbox.env, { PATH: pathOf('new') });
  const gone = 'node is no longer on the PATH, and the next start would fail';
  const stdout = await startWell(sandbox);
  assert.match(
    stdout,
    new RegExp(`^Replaces: ${apps.join(', ')}: ${gone}\nReplaces: proxy-monitor: ${gone}; `),
  );
  const after = await pidsOf(sandbox);
  for (const name of [...apps, 'proxy-monitor']) assert.notEqual(after.get(name), before.get(name), name);
  for (const port of [first, second]) {
    const { pid } = await sandbox.proxyUntil(port, ({ state }) => state === 'up');
    process.kill(Number(pid), 'SIGKILL');
    await sandbox.proxyUntil(port, (proxy) => proxy.state === 'up' && proxy.pid !== pid);
  }
});

test('a start whose PATH has no node says so, and ends nothing', async (t) => {
  const { sandbox } = await rig(t);
  await startWell(sandbox);
  const before = await pidsOf(sandbox);
  const { PATH = '' } = sandbox.env;
  Object.assign(sandbox.env, { PATH: '/nonexistent' });
  const { code, stderr } = await sandbox.steadyport('start');
  assert.equal(code, 2);
  assert.match(stderr, /PATH is "\/nonexistent": expected a folder with node,/);
  Object.assign(sandbox.env, { PATH });
  assert.deepEqual(await pidsOf(sandbox), before);
});
