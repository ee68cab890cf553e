import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { acceptedFile, readAccepted } from '../../src/config/project/accepted.ts';
import { MONITOR_PROBLEM_KINDS } from '../../src/status/monitor-problem.ts';
import { ECOSYSTEM, openPm2Sandbox, openUpstream } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { until } from '../support/until.ts';

/** Two ports and the monitor under a real PM2, not yet started. */
const rig = async (t: TestContext, env: Readonly<Record<string, string>> = {}) => {
  const sandbox = openPm2Sandbox({ COLUMNS: '300', ...env });
  const upstream = await openUpstream();
  t.after(() => upstream.close());
  t.after(() => sandbox.close());
  const ports = [await freePort(), await freePort()] as const;
  const httpPort = await freePort();
  const proxies = ports.map((port) => ({
    listen: `127.0.0.1:${port}`,
    upstream: `127.0.0.1:${upstream.port}`,
  }));
  const configure = (list: readonly object[] = proxies): void =>
    sandbox.configure(list, { http: `127.0.0.1:${httpPort}` });
  configure();
  const configPath = sandbox.env['STEADYPORT_CONFIG'] ?? '';
  const allUp = () =>
    sandbox.snapshotUntil(
      (now) => now.proxies.length === ports.length && now.proxies.every(({ state }) => state === 'up'),
    );
  return {
    sandbox,
    ports,
    proxies,
    configPath,
    configure,
    allUp,
    hasProblem: (kind: string | null) =>
      sandbox.snapshotUntil(({ monitor }) => (monitor?.problems[0]?.kind ?? null) === kind),
    metric: async (): Promise<number> => {
      const answer = await fetch(`http://127.0.0.1:${httpPort}/metrics`, {
        headers: { connection: 'close' },
      });
      return Number(/^steadyport_config_stale (\d)$/m.exec(await answer.text())?.[1]);
    },
    /** Kills every app, one after the other, and waits until PM2 has brought each back, and all serve. */
    killAll: async (): Promise<void> => {
      const before = await allUp();
      const monitorPid = before.monitor?.pid ?? assert.fail();
      for (const { pid } of before.proxies) process.kill(Number(pid), 'SIGKILL');
      for (const { id, pid } of before.proxies)
        await sandbox.proxyUntil(id, (now) => now.state === 'up' && now.pid !== pid);
      process.kill(monitorPid, 'SIGKILL');
      await sandbox.snapshotUntil(({ monitor }) => monitor !== null && monitor.pid !== monitorPid);
      await allUp();
      for (const port of ports) {
        const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
        assert.equal(await answer.text(), 'the upstream');
      }
    },
  };
};

describe('whatever becomes of the config file, each app comes back after kill -9, and the status shows both', () => {
  const table: readonly [
    name: string,
    change: (path: string) => void,
    kind: 'config_broken' | 'config_missing',
    file: RegExp,
    mistake: RegExp,
  ][] = [
    [
      'a broken edit',
      (path) => writeFileSync(path, readFileSync(path, 'utf8').replace('"proxies"', '"proxys"')),
      'config_broken',
      /steadyport\.json has mistakes since an edit at .*, and what runs goes on with the config of .*: npm run check-config/,
      /proxys is .*: unknown key; did you mean "proxies"\?/,
    ],
    [
      'a file that is gone',
      (path) => rmSync(path),
      'config_missing',
      /\/.*\/steadyport\.json is gone, and what runs .*: put it back, or, where it was moved, in its new folder: npm start/,
      // A file that is not there has no mistakes.
      /^(?:steadyport: .* is gone, .*\n)?$/,
    ],
  ];
  for (const [name, change, kind, line, mistake] of table)
    test(name, async (t) => {
      const { sandbox, ports, configPath, allUp, hasProblem, killAll, metric } = await rig(t);
      assert.equal((await sandbox.steadyport('start')).code, 0);
      await allUp();
      assert.equal(await metric(), 0);
      change(configPath);
      await killAll();
      await hasProblem(kind);
      assert.equal(await metric(), 1);
      const status = await sandbox.steadyport('status');
      assert.equal(status.code, 0, status.stdout);
      for (const port of ports) assert.match(status.stdout, new RegExp(`^✓ ${port} .* up for `, 'm'));
      assert.match(
        status.stdout,
        new RegExp(`^! ${MONITOR_PROBLEM_KINDS[kind].label}  ${line.source}$`, 'm'),
      );
      assert.match(status.stderr, mistake);
      const logs = await sandbox.steadyport('logs', '-n', '500');
      assert.equal(logs.code, 0);
      assert.match(logs.stdout, /Monitoring/);
      assert.match(logs.stderr, line);
      const check = await sandbox.steadyport('check-config');
      assert.equal(check.code, 2);
      assert.match(check.stderr, /What runs goes on with the config that was applied /);
      // Without a monitor, too: by the exit code of that, and with the ports that run.
      await sandbox.pm2('stop', 'proxy-monitor');
      const offline = await sandbox.steadyport('status');
      assert.equal(offline.code, 3, offline.stdout);
      for (const port of ports) assert.match(offline.stdout, new RegExp(`^✓ ${port} .* up$`, 'm'));
      assert.match(offline.stderr, line);
      assert.match(offline.stderr, mistake);
      // A start accepts nothing, and changes nothing.
      const accepted = readFileSync(acceptedFile(join(sandbox.folder, 'home')), 'utf8');
      const start = await sandbox.steadyport('start');
      assert.deepEqual([start.code, start.stdout], [2, '']);
      assert.match(
        start.stderr,
        /^What runs goes on with the config that was applied .*\.\nNothing was touched\.$/m,
      );
      assert.equal(readFileSync(acceptedFile(join(sandbox.folder, 'home')), 'utf8'), accepted);
      assert.equal((await sandbox.steadyport('stop')).code, 0);
    });
});

test('an edit that is not applied is said by the status, the log and a metric, until a start applies it', async (t) => {
  const { sandbox, ports, proxies, configPath, configure, allUp, hasProblem, killAll, metric } = await rig(t);
  assert.equal((await sandbox.steadyport('start')).code, 0);
  await allUp();
  assert.match((await sandbox.steadyport('check-config')).stdout, /^ {2}it was applied /m);
  // Another text of the same config is no edit.
  writeFileSync(configPath, `// a comment\n${readFileSync(configPath, 'utf8')}`);
  const [first, second] = proxies;
  configure([{ ...first }, { ...second, holdMs: 1_234 }]);
  await hasProblem('config_not_applied');
  await killAll();
  await hasProblem('config_not_applied');
  assert.equal(await metric(), 1);
  const edit = new RegExp(
    `steadyport\\.json was edited at .* and not applied \\(port ${ports[1]} differs\\): npm start`,
  );
  const { code, stdout, stderr } = await sandbox.steadyport('status');
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, edit);
  await sandbox.logUntil('proxy-monitor', edit);
  assert.match(
    (await sandbox.steadyport('check-config')).stdout,
    new RegExp(`^ {2}it was not applied: port ${ports[1]} differs; what runs is of .*: npm start$`, 'm'),
  );
  const before = await allUp();
  assert.equal((await sandbox.steadyport('start')).code, 0);
  const after = await hasProblem(null);
  assert.deepEqual(
    after.proxies.map(({ pid }, at) => pid === before.proxies[at]?.pid),
    [true, false],
  );
  assert.equal(await metric(), 0);
  // Written back it is an edit again, and written as it was accepted it is none.
  configure();
  await hasProblem('config_not_applied');
  configure([{ ...first }, { ...second, holdMs: 1_234 }]);
  await hasProblem(null);
  await sandbox.logUntil('proxy-monitor', /The config is again what runs/);
});

test('what only the environment of the start gave lasts, and is no edit', async (t) => {
  const { sandbox, ports, configPath, allUp, killAll, hasProblem } = await rig(t, { FAILURE_THRESHOLD: '7' });
  assert.equal((await sandbox.steadyport('start')).code, 0);
  await allUp();
  const { stdout } = await sandbox.pm2('jlist');
  assert.doesNotMatch(stdout, /FAILURE_THRESHOLD/);
  await killAll();
  assert.equal((await sandbox.proxyUntil(ports[0], () => true)).failureThreshold, 7);
  // The monitor compares anew when a file has changed.
  writeFileSync(configPath, `\n${readFileSync(configPath, 'utf8')}`);
  const problems = (await hasProblem(null)).monitor?.problems;
  assert.deepEqual(problems, []);
});

test('PM2 itself accepts a config when it starts it, and stops the apps of one that is broken', async (t) => {
  const { sandbox, ports, proxies, configPath, configure, allUp, killAll } = await rig(t);
  const stateDir = join(sandbox.folder, 'home');
  const acceptedPorts = () => {
    const reading = readAccepted(stateDir);
    return reading.kind === 'ok' ? reading.accepted.config.proxies.map(({ id }) => id) : reading.kind;
  };
  await sandbox.pm2('start', ECOSYSTEM);
  assert.deepEqual(acceptedPorts(), ports.map(String));
  await allUp();
  await killAll();
  configure(proxies.slice(0, 1));
  await sandbox.pm2('stop', ECOSYSTEM);
  assert.deepEqual(acceptedPorts(), ports.map(String), 'a stop accepts nothing');
  const stopped = async (): Promise<readonly string[]> =>
    (JSON.parse((await sandbox.pm2('jlist')).stdout) as { pm2_env: { status: string } }[]).map(
      ({ pm2_env }) => pm2_env.status,
    );
  assert.deepEqual(await stopped(), ['stopped', 'stopped', 'stopped']);
  configure();
  await sandbox.pm2('restart', ECOSYSTEM);
  await allUp();
  writeFileSync(configPath, '{');
  assert.equal((await sandbox.tryPm2('restart', ECOSYSTEM)).code, 2);
  await sandbox.pm2('stop', ECOSYSTEM);
  assert.deepEqual(await stopped(), ['stopped', 'stopped', 'stopped']);
  await sandbox.pm2('delete', ECOSYSTEM);
  assert.deepEqual(await stopped(), []);
});

test('apps whose accepted config cannot be used run by the file, and say so', async (t) => {
  const { sandbox, ports, allUp, killAll } = await rig(t);
  assert.equal((await sandbox.steadyport('start')).code, 0);
  await allUp();
  const home = join(sandbox.folder, 'home');
  writeFileSync(
    join(home, 'project.json'),
    JSON.stringify({
      version: 1,
      name: 'default',
      configPath: sandbox.env['STEADYPORT_CONFIG'],
      namedPath: sandbox.env['STEADYPORT_CONFIG'],
      pm2Home: sandbox.env['PM2_HOME'],
      http: null,
    }),
  );
  writeFileSync(acceptedFile(home), '{"version":1,');
  await killAll();
  for (const app of [`tcp-proxy-${ports[0]}`, 'proxy-monitor'])
    await sandbox.logUntil(app, /accepted\.json cannot be used: .*; the config file is used instead/);
  const { code } = await sandbox.steadyport('start');
  assert.equal(code, 0);
  await until(() => readAccepted(home).kind === 'ok', 'the next start accepts the config anew');
});
