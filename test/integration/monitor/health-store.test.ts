import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type ProxyConfig, parseConfig } from '../../../src/config/config.ts';
import { createHealth, type Health } from '../../../src/health/state.ts';
import {
  forgetCrashes,
  loadHealth,
  recentlyCrashedPorts,
  saveHealth,
} from '../../../src/monitor/health-store.ts';
import { removeStalePidFile } from '../../../src/system/pid-file.ts';
import { HAS_PROCFS } from '../../../src/system/proc/procfs.ts';
import { makeStateDir, type StateDir } from '../../../src/system/state-dir.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const proxies = (...ports: readonly number[]): readonly ProxyConfig[] => {
  const list = ports.map((port) => ({ listen: `${port}`, upstream: `localhost:${port}` }));
  const result = parseConfig({ proxies: list });
  assert.ok(result.ok);
  return result.config.proxies;
};

const HEALTH: Health = {
  ...createHealth(5),
  state: 'down',
  cause: 'hung',
  pid: 42,
  failures: { consecutive: 2, sinceHealthy: 4, total: 9 },
  restarts: { crash: 1, forced: 3 },
  recovery: { count: 2, lastMs: 300, totalMs: 900 },
  incident: {
    startedAt: 7,
    lastFailedAt: 9,
    pid: 41,
    upstream: null,
    cause: 'hung',
    causeFailures: 1,
    loggedCauses: [],
    actions: ['force_restart'],
    alerted: true,
    isProxyFault: true,
    recoveringSince: null,
  },
};

const saved = (ports: Readonly<Record<number, Health>>): StateDir => {
  const stateDir = makeStateDir(join(tempFolder(), 'home'));
  saveHealth(
    stateDir,
    new Map(Object.entries(ports).map(([port, health]) => [port, { health, daemonPid: 77 }])),
  );
  return stateDir;
};

/** A process that is gone: its pid is nobody's. */
const deadPid = async (): Promise<number> => {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  assert.ok(child.pid);
  return child.pid;
};

test('counters and incidents outlive the monitor; only the time of grace begins anew', () => {
  const stateDir = saved({ 6274: HEALTH });
  const record = loadHealth(stateDir.monitorStateFile, proxies(6274)).get('6274');
  assert.ok(record);
  const { graceEndsAt, ...health } = record.health;
  const { graceEndsAt: before, ...expected } = HEALTH;
  assert.deepEqual(health, expected);
  assert.equal(record.daemonPid, 77);
  assert.ok(graceEndsAt > before);
});

test('an incident that an earlier version stored without its upstream goes on', () => {
  const { monitorStateFile } = saved({ 6274: HEALTH });
  const text = readFileSync(monitorStateFile, 'utf8');
  writeFileSync(monitorStateFile, text.replace('"upstream":null,', ''));
  const record = loadHealth(monitorStateFile, proxies(6274), assert.fail).get('6274');
  assert.deepEqual(record?.health.incident, HEALTH.incident);
});

test('a port that is new has an empty record, beside one that is stored', () => {
  const records = loadHealth(saved({ 6274: HEALTH }).monitorStateFile, proxies(6277, 6274));
  assert.deepEqual([...records.keys()], ['6277', '6274']);
  assert.equal(records.get('6277')?.health.failures.total, 0);
  assert.equal(records.get('6277')?.daemonPid, null);
  assert.equal(records.get('6274')?.health.failures.total, 9);
});

describe('a file that is not ours is an empty record', () => {
  const ours = { version: 3, ports: { 6274: { health: HEALTH, daemonPid: 77 } } };
  const table: Readonly<Record<string, string | undefined>> = {
    'no file': undefined,
    'an empty one': '',
    'one that was cut off': JSON.stringify(ours).slice(0, -9),
    'another version': JSON.stringify({ ...ours, version: 2 }),
    'no version': JSON.stringify({ ports: ours.ports }),
    null: 'null',
    'a number': '5',
    'no ports': '{"version":3}',
    'ports that are null': '{"version":3,"ports":null}',
    'a port that is null': '{"version":3,"ports":{"6274":null}}',
  };
  for (const [name, text] of Object.entries(table))
    test(name, () => {
      const path = join(tempFolder(), 'monitor.json');
      if (text !== undefined) writeFileSync(path, text);
      const record = loadHealth(path, proxies(6274)).get('6274');
      assert.deepEqual(record?.health.failures, { consecutive: 0, sinceHealthy: 0, total: 0 });
      assert.equal(record?.daemonPid, null);
    });
});

test('a field that an older monitor did not store has its first value', () => {
  const path = join(tempFolder(), 'monitor.json');
  const { isShuttingDown: _, crashedPid: __, ...older } = HEALTH;
  writeFileSync(path, JSON.stringify({ version: 3, ports: { 6274: { health: older, daemonPid: null } } }));
  const health = loadHealth(path, proxies(6274)).get('6274')?.health;
  assert.deepEqual([health?.isShuttingDown, health?.crashedPid, health?.failures.total], [false, null, 9]);
});

test('the failures file is a plain integer, that of the consecutive ones', () => {
  const stateDir = saved({ 6274: HEALTH, 6277: createHealth(0) });
  assert.equal(readFileSync(stateDir.portFiles('6274').failuresFile, 'utf8'), '2\n');
  assert.equal(readFileSync(stateDir.portFiles('6277').failuresFile, 'utf8'), '0\n');
  saveHealth(stateDir, new Map([['6274', { health: createHealth(0), daemonPid: null }]]));
  assert.equal(readFileSync(stateDir.portFiles('6274').failuresFile, 'utf8'), '0\n');
});

test('a port that is no longer in the config is forgotten, unless its proxy still runs', async () => {
  const stateDir = saved({ 6274: HEALTH, 6277: HEALTH, 7000: HEALTH });
  writeFileSync(stateDir.portFiles('6277').pidFile, `${process.pid}\n`);
  writeFileSync(stateDir.portFiles('7000').pidFile, `${await deadPid()}\n`);
  mkdirSync(join(stateDir.path, 'ports', 'notes'));
  saveHealth(stateDir, new Map([['6274', { health: HEALTH, daemonPid: null }]]));
  assert.deepEqual(readdirSync(join(stateDir.path, 'ports')).sort(), ['6274', '6277', 'notes']);
});

describe('a pid file', () => {
  const write = (text: string): string => {
    const path = join(tempFolder(), 'pid');
    writeFileSync(path, text);
    return path;
  };

  test('of a process that is no more is removed', async () => {
    const path = write(`${await deadPid()}\n`);
    assert.equal(removeStalePidFile(path, null), true);
    assert.equal(existsSync(path), false);
    assert.equal(removeStalePidFile(path, null), false);
  });

  test('written before the process that has its pid now was started is removed', {
    skip: HAS_PROCFS ? false : 'needs /proc',
  }, () => {
    const path = write(`${process.pid}\n`);
    const anHourAgo = new Date(Date.now() - 3_600_000);
    utimesSync(path, anHourAgo, anHourAgo);
    assert.equal(removeStalePidFile(path, process.pid), false);
    assert.equal(removeStalePidFile(path, null), true);
  });

  test('of a live process stays', () => {
    const path = write(`${process.pid}\n`);
    assert.equal(removeStalePidFile(path, null), false);
    assert.equal(existsSync(path), true);
  });

  test('without a pid in it stays: whoever wrote it may be writing still', () => {
    const path = write('x');
    assert.equal(removeStalePidFile(path, null), false);
    assert.equal(existsSync(path), true);
  });
});

test('the crashes of a port are forgotten, and nothing else', () => {
  const now = Date.now();
  const crashed = { ...HEALTH, crashedAt: [now - 2_000, now - 1_000] };
  const stateDir = saved({ 6274: crashed, 6277: crashed, 6278: { ...HEALTH, crashedAt: [now - 200_000] } });
  const path = stateDir.monitorStateFile;
  assert.deepEqual(recentlyCrashedPorts(path), ['6274', '6277']);
  const problems: string[] = [];
  forgetCrashes(path, ['6274'], (text) => problems.push(text));
  const records = loadHealth(path, proxies(6274, 6277));
  const { graceEndsAt: _, ...health } = records.get('6274')?.health ?? assert.fail('no record');
  const failures = { ...HEALTH.failures, consecutive: 0 };
  assert.deepEqual({ ...health, graceEndsAt: HEALTH.graceEndsAt }, { ...HEALTH, crashedAt: [], failures });
  assert.deepEqual(records.get('6277')?.health.crashedAt, crashed.crashedAt);
  assert.deepEqual([recentlyCrashedPorts(path), problems], [['6277'], []]);
});
