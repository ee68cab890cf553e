import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseConfig } from '../../../src/config/config.ts';
import { startMonitor } from '../../../src/monitor/monitor.ts';
import type { Pm2 } from '../../../src/pm2/client.ts';
import { makeStateDir } from '../../../src/system/state-dir.ts';
import { startChild } from '../../support/child-process.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const never = (): never => assert.fail('no proxy is to be restarted');
const NO_PM2: Pm2 = {
  list: async () => ({ ok: false, problem: 'the PM2 daemon is not running' }),
  start: never,
  restart: never,
  stop: never,
  delete: never,
  reloadLogs: never,
  subscribe: () => {},
  close: () => {},
};

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
  const parsed = parseConfig({ proxies: [{ listen: '6274', upstream: 'localhost:6274' }] });
  assert.ok(parsed.ok);
  const monitor = startMonitor({
    config: parsed.config,
    apps: [],
    stateDir,
    pm2: NO_PM2,
    restart: never,
    log: () => {},
  });
  monitor.subscribe((event) => assert.notEqual(event, 'superseded'));
  monitor.stop();
  assert.deepEqual(readdirSync(port).sort(), ['failures', 'pid', `pid.${alive.pid}`].sort());
  assert.deepEqual(
    readdirSync(stateDir.path).sort(),
    ['monitor.json', `monitor.json.${alive.pid}`, 'monitor.json.old', 'ports', `folder.${dead.pid}`].sort(),
  );
});
