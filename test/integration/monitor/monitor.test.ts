import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseConfig } from '../../../src/config/config.ts';
import { createHealth } from '../../../src/health/state.ts';
import type { Log } from '../../../src/logging/logger.ts';
import { saveHealth } from '../../../src/monitor/health-store.ts';
import { type Monitor, type MonitorDeps, startMonitor } from '../../../src/monitor/monitor.ts';
import type { Pm2, Pm2App } from '../../../src/pm2/client.ts';
import type { MonitorProblem } from '../../../src/status/monitor-problem.ts';
import { PM2_NOT_LISTED } from '../../../src/status/snapshot.ts';
import type { FileSupply } from '../../../src/system/file-reserve.ts';
import { makeStateDir, type StateDir } from '../../../src/system/state-dir.ts';
import { startChild } from '../../support/child-process.ts';
import { tempFolder } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

const never = (): never => assert.fail('no proxy is to be restarted');
const NO_PM2: Pm2 = {
  list: async () => ({ ok: false, problem: 'the PM2 daemon is not running' }),
  start: never,
  restart: never,
  stop: never,
  delete: never,
  deleteCopy: never,
  reloadLogs: never,
  subscribe: () => {},
  close: () => {},
};

const start = (
  stateDir: StateDir,
  log: Log = () => {},
  deps: Partial<MonitorDeps> = {},
  monitor: object = {},
): Monitor => {
  const parsed = parseConfig({ proxies: [{ listen: '6274', upstream: 'localhost:6274' }], monitor });
  assert.ok(parsed.ok);
  return startMonitor({
    config: parsed.config,
    monitorApp: 'proxy-monitor',
    apps: [],
    stateDir,
    pm2: NO_PM2,
    restart: never,
    log,
    ...deps,
  });
};

/** Starts a monitor, and makes it impossible to save its state. @returns what it said when a save failed, and of the end of that */
const startUnsaved = async (t: TestContext, prevent: (path: string) => void) => {
  const stateDir = makeStateDir(join(tempFolder(), 'home'), '6274');
  const events: string[] = [];
  const found: MonitorProblem[] = [];
  const monitor = start(stateDir, (event) => {
    if (event.startsWith('state_write')) events.push(event);
    if (event === 'state_write_failed') found.push(...monitor.status().problems);
  });
  t.after(() => monitor.stop());
  prevent(stateDir.monitorStateFile);
  await until(() => found.length > 0, 'a problem');
  const untilSaved = async (): Promise<void> => {
    await until(() => monitor.status().problems.length === 0, 'the end of the problem');
    assert.deepEqual(events, ['state_write_failed', 'state_write_recovered']);
    assert.ok(readFileSync(stateDir.monitorStateFile, 'utf8').includes('"6274"'));
  };
  return { path: stateDir.monitorStateFile, home: stateDir.path, problem: found[0], untilSaved };
};

test('a full disk is a problem of the monitor, and is over as soon as there is room', async (t) => {
  // The next write of the state ends at a device that is always full (full(4)).
  const fillDisk = (path: string): void => symlinkSync('/dev/full', `${path}.${process.pid}`);
  const { home, problem, untilSaved } = await startUnsaved(t, fillDisk);
  assert.equal(problem?.kind, 'disk_full');
  assert.match(problem.text, new RegExp(`^${home}: ENOSPC: no space left on device`));
  await untilSaved();
});

test('any other reason for which the state cannot be saved is one, too, and is tried again', async (t) => {
  // A file cannot replace a folder (rename(2)).
  const { path, problem, untilSaved } = await startUnsaved(t, (stateFile) => {
    rmSync(stateFile);
    mkdirSync(stateFile);
  });
  assert.equal(problem?.kind, 'state_not_saved');
  assert.match(problem.text, /EISDIR/);
  rmdirSync(path);
  await untilSaved();
});

test('what an earlier monitor has left is no knowledge of this one until it has checked the port', async (t) => {
  const stateDir = makeStateDir(join(tempFolder(), 'home'), '6274');
  const failures = { consecutive: 3, sinceHealthy: 3, total: 7 };
  const health = { ...createHealth(0), state: 'down', failures } as const;
  saveHealth(stateDir, new Map([['6274', { health, daemonPid: null }]]));
  const monitor = start(stateDir);
  t.after(() => monitor.stop());
  const [view] = monitor.alertViews();
  assert.deepEqual([view?.health.failures, view?.isChecked, view?.hasFailed], [failures, false, false]);
  await until(() => monitor.alertViews()[0]?.isChecked === true, 'the first check');
});

test('a state file that is removed under a monitor is written anew, though nothing changes', async (t) => {
  const stateDir = makeStateDir(join(tempFolder(), 'home'), '6274');
  // Without open files no check finds anything.
  const noFiles = (): FileSupply => 'exhausted';
  const monitor = start(stateDir, () => {}, { reserve: { check: noFiles, supply: noFiles } });
  t.after(() => monitor.stop());
  // The counts first: a monitor saves the rest of its state once more just after its start.
  for (const path of [stateDir.countsFile, stateDir.monitorStateFile]) {
    rmSync(path);
    await until(() => existsSync(path), path);
    assert.match(readFileSync(path, 'utf8'), /"6274"/);
  }
});

test('a monitor whose memory was removed says so, and a first one does not', () => {
  const stateDir = makeStateDir(join(tempFolder(), 'home'), '6274');
  const eventsOfStart = (): readonly string[] => {
    const events: string[] = [];
    start(stateDir, (event) => events.push(event)).stop();
    return events.filter((event) => event === 'state_missing');
  };
  const first = eventsOfStart();
  const next = eventsOfStart();
  rmSync(stateDir.monitorStateFile);
  assert.deepEqual([first, next, eventsOfStart()], [[], [], ['state_missing']]);
});

test('a monitor that starts removes the drafts of processes that are no more, and nothing else', async (t) => {
  const dead = startChild(t, 'true', []);
  await once(dead, 'exit');
  const alive = startChild(t, 'sleep', ['1000']);
  const stateDir = makeStateDir(join(tempFolder(), 'home'), '6274');
  const port = join(stateDir.path, 'ports', '6274');
  mkdirSync(join(stateDir.path, `folder.${dead.pid}`));
  writeFileSync(join(stateDir.path, 'ports', 'note'), '');
  writeFileSync(stateDir.monitorStateFile, JSON.stringify({ version: 3, ports: {} }));
  for (const suffix of [`${dead.pid}`, `${alive.pid}`, 'old'])
    writeFileSync(`${stateDir.monitorStateFile}.${suffix}`, '');
  for (const name of ['pid', 'failures', `pid.${dead.pid}`, `pid.${alive.pid}`, `failures.${dead.pid}`])
    writeFileSync(join(port, name), '0\n');
  const monitor = start(stateDir);
  monitor.subscribe((event) => assert.notEqual(event, 'superseded'));
  monitor.stop();
  assert.deepEqual(readdirSync(port).sort(), ['failures', 'pid', `pid.${alive.pid}`].sort());
  assert.deepEqual(
    readdirSync(stateDir.path).sort(),
    [
      'monitor-counts.json',
      'monitor.json',
      `monitor.json.${alive.pid}`,
      'monitor.json.old',
      'ports',
      `folder.${dead.pid}`,
    ].sort(),
  );
});

test("a start that PM2's bus did not tell, since it was not connected yet, is found as soon as it is", async (t) => {
  const stateDir = makeStateDir(join(tempFolder(), 'home'), '6274');
  const health = { ...createHealth(Date.now()), state: 'stopped' as const };
  saveHealth(stateDir, new Map([['6274', { health, daemonPid: 1 }]]));
  const online = { pid: process.pid, status: 'online', statusText: 'online', env: {} } as const;
  let apps: ReadonlyMap<string, Pm2App> = new Map();
  let onConnect = (): void => {};
  const pm2: Pm2 = {
    ...NO_PM2,
    list: async () => ({ ok: true, daemonPid: 1, apps }),
    subscribe: (_, connected = () => {}) => {
      onConnect = connected;
    },
  };
  // No other check comes while the test waits.
  const monitor = start(stateDir, undefined, { pm2 }, { intervalMs: 3_600_000 });
  t.after(() => monitor.stop());
  const pm2Status = (): string | undefined => monitor.status().proxies[0]?.pm2;
  await until(() => pm2Status() === PM2_NOT_LISTED, 'the first check');
  apps = new Map([['tcp-proxy-6274', online]]);
  onConnect();
  await until(() => pm2Status() === 'online', 'a check by a new list');
});

test('a check that had too few files to look is no look, and the files are enough only when there was one', async (t) => {
  const lines: string[] = [];
  const log: Log = (event, text) => {
    if (/files/.test(event)) lines.push(text);
  };
  let checks = 0;
  // The supply before each look and the one after it.
  let supplies: readonly FileSupply[] = ['exhausted', 'in_use'];
  const supply = (): FileSupply => supplies[checks % 2] ?? 'ample';
  const check = (): FileSupply => {
    checks += 1;
    return supply();
  };
  const monitor = start(makeStateDir(join(tempFolder(), 'home'), '6274'), log, {
    reserve: { check, supply },
  });
  t.after(() => monitor.stop());
  const kinds = (): readonly string[] => monitor.status().problems.map(({ kind }) => kind);
  const untilChecks = async (count: number): Promise<void> => {
    const before = checks;
    await until(() => {
      monitor.checkNow();
      return checks > before + count;
    }, 'checks');
  };
  const { lastCheckAt } = monitor.status();
  await untilChecks(4);
  assert.equal(monitor.status().lastCheckAt, lastCheckAt);
  assert.deepEqual(kinds(), ['out_of_files']);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /it cannot look at the ports/);
  supplies = ['in_use', 'in_use'];
  await until(() => kinds().join() === 'short_of_files', 'a look with the reserve');
  assert.notEqual(monitor.status().lastCheckAt, lastCheckAt);
  supplies = [];
  await until(() => kinds().length === 0, 'the end of the shortage');
  assert.match(lines.at(-1) ?? '', /has open files again/);
});

test('with every port disabled there is nothing to check, and the last check is of now', (t) => {
  const parsed = parseConfig({
    proxies: [{ listen: '6274', upstream: 'localhost:6274', enabled: false }],
  });
  assert.ok(parsed.ok);
  const { config } = parsed;
  const before = Date.now();
  const monitor = start(makeStateDir(join(tempFolder(), 'home')), () => {}, { config });
  t.after(() => monitor.stop());
  const { proxies, lastCheckAt, problems } = monitor.status();
  assert.deepEqual([proxies, problems, monitor.alertViews(), monitor.proxyMetrics()], [[], [], [], []]);
  assert.ok(lastCheckAt >= before && lastCheckAt <= Date.now(), String(lastCheckAt));
});
