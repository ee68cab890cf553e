import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ProjectRecord, projectRecordFile } from '../../src/config/project/record.ts';
import type { Snapshot } from '../../src/status/snapshot.ts';
import { type Outcome, steadyport } from '../support/cli.ts';
import { ECOSYSTEM, openPm2Sandbox, openUpstream, type Pm2Sandbox } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { tempFolder } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

/** A PM2 with an upstream, in which each config is a project by its own folder. */
const rig = async (t: TestContext, extraEnv: Readonly<Record<string, string>> = {}) => {
  const sandbox = openPm2Sandbox({ STEADYPORT_PROJECT: '', COLUMNS: '1000', ...extraEnv });
  const upstream = await openUpstream();
  t.after(() => upstream.close());
  t.after(() => sandbox.close());
  const home = sandbox.env['STEADYPORT_HOME'] ?? '';

  /** Writes a config for a port, and gives its path. */
  const configure = (folder: string, port: number, config: object = {}): string => {
    const path = join(sandbox.folder, folder);
    mkdirSync(path, { recursive: true });
    const proxies = [{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }];
    writeFileSync(join(path, 'steadyport.json'), JSON.stringify({ proxies, ...config }));
    return join(path, 'steadyport.json');
  };
  return { sandbox, home, configure };
};

/** Runs a command for a config, in a sandbox. */
const runFor = (sandbox: Pm2Sandbox, config: string, ...args: string[]): Promise<Outcome> =>
  steadyport(args, { ...sandbox.env, STEADYPORT_CONFIG: config });

const statusOf = async (sandbox: Pm2Sandbox, config: string): Promise<Snapshot> =>
  JSON.parse((await runFor(sandbox, config, 'status', '--json')).stdout);

const recordIn = (stateDir: string): ProjectRecord =>
  JSON.parse(readFileSync(projectRecordFile(stateDir), 'utf8'));

/** The names and pids of all apps that PM2 has. */
const appsOf = async (sandbox: Pm2Sandbox): Promise<readonly string[]> =>
  (JSON.parse((await sandbox.pm2('jlist')).stdout) as { name: string; pid: number }[])
    .map(({ name, pid }) => `${name} ${pid}`)
    .sort();

const requireStart = async (sandbox: Pm2Sandbox, config: string, ...args: string[]): Promise<Outcome> => {
  const outcome = await runFor(sandbox, config, 'start', ...args);
  assert.deepEqual([outcome.code, outcome.stderr], [0, ''], outcome.stdout);
  return outcome;
};

const isRefused = ({ code, stdout, stderr }: Outcome, ...texts: readonly string[]): void => {
  assert.deepEqual([code, stdout], [2, ''], stderr);
  for (const text of [...texts, 'nothing was touched'])
    assert.ok(stderr.includes(text), `${text} in: ${stderr}`);
};

test('two projects run side by side: each has a monitor, its own status and stop, and names the other', async (t) => {
  const { sandbox, home, configure } = await rig(t);
  const [homePort, workPort] = [await freePort(), await freePort()];
  const homeConfig = configure('play', homePort);
  const workConfig = configure('w', workPort, { project: 'work' });
  await requireStart(sandbox, homeConfig);
  const { stdout } = await requireStart(sandbox, workConfig);
  const work = recordIn(join(home, 'projects', 'work'));
  const play = recordIn(join(home, 'projects', 'play'));
  assert.notEqual(work.http, play.http);
  assert.match(stdout, new RegExp(`✓ proxy-monitor-work {2}http://${work.http}`));

  assert.match((await requireStart(sandbox, workConfig)).stdout, /^Everything runs as configured/);
  const status = await statusOf(sandbox, workConfig);
  assert.deepEqual([status.project, status.proxies.map(({ id }) => id)], ['work', [`${workPort}`]]);
  assert.equal(status.monitor?.http, `http://${work.http}`);
  assert.deepEqual(status.otherProjects, [{ name: 'play', configPath: homeConfig, running: true }]);
  const text = (await runFor(sandbox, homeConfig, 'status')).stdout;
  assert.match(text, /^[^\n]*, project play: The port is up\./);
  assert.ok(text.endsWith(`\nOther projects: work (${workConfig})\n`), text);
  const check = await runFor(sandbox, workConfig, 'check-config');
  assert.match(check.stdout, new RegExp(`monitor: ${work.http}, as an earlier start chose`));

  const before = await appsOf(sandbox);
  const stopped = await runFor(sandbox, workConfig, 'stop');
  assert.deepEqual([stopped.code, stopped.stderr], [0, '']);
  assert.deepEqual(
    await appsOf(sandbox),
    before.filter((app) => /play|-proxy-/.test(app) && !app.includes(`${workPort}`)),
  );
  const after = await statusOf(sandbox, homeConfig);
  assert.deepEqual(
    [after.proxies[0]?.state, after.otherProjects?.map(({ running }) => running)],
    ['up', [false]],
  );
  // The address stays the project's own.
  await requireStart(sandbox, workConfig);
  assert.equal(recordIn(join(home, 'projects', 'work')).http, work.http);

  // The rule for logrotate is of both.
  const rule = join(home, 'logrotate.conf');
  writeFileSync(rule, '');
  const removed = await runFor(sandbox, workConfig, 'uninstall');
  assert.deepEqual([removed.code, removed.stderr], [0, '']);
  assert.ok(removed.stdout.includes(`the project play, with the config ${homeConfig}`), removed.stdout);
  assert.ok(!existsSync(projectRecordFile(join(home, 'projects', 'work'))));
  assert.ok(existsSync(rule));
  assert.deepEqual((await statusOf(sandbox, homeConfig)).otherProjects, []);
  const last = await runFor(sandbox, homeConfig, 'uninstall');
  assert.match(last.stdout, /the line for logrotate in your crontab/);
  assert.ok(!existsSync(rule));
});

test("PM2's own start chooses an address for the monitor too, and a start after it touches nothing", async (t) => {
  const { sandbox, home, configure } = await rig(t);
  const config = configure('app', await freePort());
  assert.equal((await sandbox.tryPm2With({ STEADYPORT_CONFIG: config }, 'start', ECOSYSTEM)).code, 0);
  const { http, configPath } = recordIn(join(home, 'projects', 'app'));
  assert.equal(configPath, config);
  assert.match(http ?? '', /^127\.0\.0\.1:6[23]\d\d$/);
  assert.match((await requireStart(sandbox, config)).stdout, /^Everything runs as configured/);
  assert.equal((await statusOf(sandbox, config)).monitor?.http, `http://${http}`);
});

test('a port that another project has is refused before anything is touched', async (t) => {
  const { sandbox, home, configure } = await rig(t);
  const port = await freePort();
  const first = configure('first', port);
  const second = configure('second', port);
  await requireStart(sandbox, first);
  const before = await appsOf(sandbox);
  isRefused(
    await runFor(sandbox, second, 'start', '--take-over'),
    `port ${port}: the project first, with the config ${first}, has it already`,
    `STEADYPORT_CONFIG=${first}`,
  );
  assert.deepEqual(await appsOf(sandbox), before);
  assert.ok(!existsSync(join(home, 'projects', 'second')));

  // The same config by another name, and one that was moved, are no other config.
  writeFileSync(first, JSON.stringify({ ...JSON.parse(readFileSync(first, 'utf8')), project: 'third' }));
  isRefused(
    await runFor(sandbox, first, 'start'),
    `this config, ${first}, runs as the project first, and not as third; it has port ${port}; to go on as it: "project": "first"`,
  );
  renameSync(join(sandbox.folder, 'first'), join(sandbox.folder, 'moved'));
  isRefused(
    await runFor(sandbox, join(sandbox.folder, 'moved/steadyport.json'), 'start'),
    `the project first runs by a config that is gone, ${first}, `,
  );
  renameSync(join(sandbox.folder, 'moved'), join(sandbox.folder, 'first'));
  assert.deepEqual(await appsOf(sandbox), before);
  const { proxies } = await statusOf(sandbox, second);
  assert.equal(proxies[0]?.absence?.kind, 'not_started');
});

test('a name that an app of another program has in PM2 is refused', async (t) => {
  const { sandbox, configure } = await rig(t);
  const port = await freePort();
  const config = configure('app', port);
  const script = join(sandbox.folder, 'other.js');
  writeFileSync(script, 'setInterval(() => {}, 1_000_000)');
  await sandbox.pm2('start', script, '--name', `tcp-proxy-${port}`);
  const before = await appsOf(sandbox);
  isRefused(await runFor(sandbox, config, 'start'), `npx pm2 delete tcp-proxy-${port}`);
  assert.deepEqual(await appsOf(sandbox), before);
});

test('a config is one project by its link and by its path', async (t) => {
  const { sandbox, configure } = await rig(t);
  const config = configure('app', await freePort());
  symlinkSync(join(sandbox.folder, 'app'), join(sandbox.folder, 'link'));
  await requireStart(sandbox, config);
  const before = await appsOf(sandbox);
  const status = await statusOf(sandbox, join(sandbox.folder, 'link/steadyport.json'));
  assert.deepEqual([status.project, status.monitor?.pid !== undefined], ['app', true]);
  const stopped = await runFor(sandbox, join(sandbox.folder, 'link/steadyport.json'), 'stop');
  assert.equal(before.length, 2, before.join());
  assert.deepEqual([stopped.code, await appsOf(sandbox)], [0, []]);
});

test('of two configs for one project the second is refused, unless it is to take over, or the first is gone', async (t) => {
  const { sandbox, home, configure } = await rig(t, { STEADYPORT_PROJECT: 'default' });
  const [firstPort, secondPort] = [await freePort(), await freePort()];
  const first = configure('first', firstPort, { monitor: { http: false } });
  const second = configure('second', secondPort, { monitor: { http: false } });
  await requireStart(sandbox, first);
  const before = await appsOf(sandbox);
  isRefused(
    await runFor(sandbox, second, 'start'),
    first,
    second,
    'start --take-over',
    '"project" in it, or STEADYPORT_PROJECT',
  );
  assert.deepEqual(await appsOf(sandbox), before);
  assert.equal(recordIn(home).configPath, first);
  // Before the start, the check of the config says so.
  const check = await runFor(sandbox, second, 'check-config');
  assert.equal(check.code, 0, check.stderr);
  const refusal = `it is not applied: the project default runs by another config, ${first}, and not by ${second}`;
  for (const text of [refusal, 'start --take-over']) assert.ok(check.stdout.includes(text), check.stdout);

  // Nor is the first one's status that of the second, or ended by its commands.
  for (const command of ['status', 'stop', 'uninstall']) {
    const { code, stdout, stderr } = await runFor(sandbox, second, command);
    assert.deepEqual([code, stdout], [2, ''], stderr);
    for (const text of [first, second, `STEADYPORT_CONFIG=${first}`])
      assert.ok(stderr.includes(text), stderr);
  }
  assert.deepEqual(await appsOf(sandbox), before);

  // PM2's own command line is refused likewise.
  const byPm2 = await startByPm2(sandbox, second);
  assert.equal(byPm2.code, 2, byPm2.stdout);
  assert.ok(byPm2.stderr.includes(first), byPm2.stderr);
  assert.deepEqual(await appsOf(sandbox), before);

  await requireStart(sandbox, second, '--take-over');
  assert.equal(recordIn(home).configPath, second);
  assert.deepEqual(
    (await appsOf(sandbox)).map((app) => app.split(' ')[0]),
    ['proxy-monitor', `tcp-proxy-${secondPort}`],
  );

  renameSync(join(sandbox.folder, 'second'), join(sandbox.folder, 'moved'));
  await requireStart(sandbox, join(sandbox.folder, 'moved/steadyport.json'));
  assert.equal(recordIn(home).configPath, join(sandbox.folder, 'moved/steadyport.json'));
});

test('the new target of the same link is taken over unasked', async (t) => {
  const { sandbox, home, configure } = await rig(t, { STEADYPORT_PROJECT: 'default' });
  const port = await freePort();
  const configs = ['1', '2'].map((name) => configure(`releases/${name}`, port, { monitor: { http: false } }));
  const link = join(sandbox.folder, 'current');
  symlinkSync(join(sandbox.folder, 'releases/1'), link);
  await requireStart(sandbox, join(link, 'steadyport.json'));
  rmSync(link);
  symlinkSync(join(sandbox.folder, 'releases/2'), link);
  await requireStart(sandbox, join(link, 'steadyport.json'));
  assert.deepEqual(
    [recordIn(home).configPath, recordIn(home).namedPath],
    [configs[1], join(link, 'steadyport.json')],
  );
});

test('a second PM2 is refused while the first one runs the project, and take-over moves it', async (t) => {
  const shared = { STEADYPORT_HOME: join(tempFolder(), 'home') };
  const first = await rig(t, shared);
  const { sandbox: second } = await rig(t, shared);
  const { home, configure } = first;
  const [firstPm2, secondPm2] = [first.sandbox.env['PM2_HOME'] ?? '', second.env['PM2_HOME'] ?? ''];
  const config = configure('app', await freePort());
  await requireStart(first.sandbox, config);
  const before = await appsOf(first.sandbox);
  isRefused(
    await runFor(second, config, 'start'),
    firstPm2,
    secondPm2,
    `PM2_HOME=${firstPm2} node`,
    'start --take-over',
  );
  assert.deepEqual(await appsOf(first.sandbox), before);
  assert.doesNotMatch((await runFor(second, config, 'status')).stdout, /more than once/);

  // Another project of the same user with the same port, there.
  const rival = configure('rival', recordPort(before));
  isRefused(
    await runFor(second, rival, 'start'),
    `the project app, with the config ${config}, serves it already`,
  );

  // What cannot be started here is not stopped there.
  const noNode = await steadyport(['start', '--take-over'], {
    ...second.env,
    STEADYPORT_CONFIG: config,
    PATH: '/nonexistent',
  });
  isRefused(noNode, 'PATH is "/nonexistent"');
  assert.deepEqual(await appsOf(first.sandbox), before);

  const moves = new RegExp(
    `^Moves from the PM2 of ${firstPm2}: .*tcp-proxy-${recordPort(before)}.*, with 1 connection\n`,
  );
  const client = connect(recordPort(before), '127.0.0.1').on('error', () => {});
  t.after(() => client.destroy());
  await once(client, 'connect');
  await until(
    async () => (await statusOf(second, config)).proxies[0]?.connections.active === 1,
    'the connection',
  );
  const dry = await runFor(second, config, 'start', '--dry-run', '--take-over');
  assert.equal(dry.code, 1, dry.stderr);
  assert.match(dry.stdout, moves);
  assert.match(dry.stdout, / start --take-over\n$/);
  assert.deepEqual(await appsOf(first.sandbox), before);
  assert.match((await requireStart(second, config, '--take-over')).stdout, moves);
  assert.deepEqual(await appsOf(first.sandbox), []);
  assert.equal((await appsOf(second)).length, 2);
  assert.equal(recordIn(join(home, 'projects', 'app')).pm2Home, secondPm2);
  assert.doesNotMatch((await runFor(first.sandbox, config, 'status')).stdout, /more than once/);
});

/** The port of the proxy among the apps. */
const recordPort = (apps: readonly string[]): number => Number(/tcp-proxy-(\d+)/.exec(apps.join())?.[1]);

/** What `pm2 start ecosystem.config.js` does with a config. */
const startByPm2 = (sandbox: Pm2Sandbox, config: string): Promise<Outcome> =>
  sandbox.tryPm2With({ STEADYPORT_CONFIG: config }, 'start', ECOSYSTEM);
