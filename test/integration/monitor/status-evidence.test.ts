import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { MonitorProtocol } from '../../../src/ipc/protocol.ts';
import { serveControl } from '../../../src/ipc/server.ts';
import type { SnapshotWithEvidence } from '../../../src/status/evidence.ts';
import type { Snapshot } from '../../../src/status/snapshot.ts';
import { locateStateDir } from '../../../src/system/state-dir.ts';
import { startChild } from '../../support/child-process.ts';
import { type Outcome, steadyport } from '../../support/cli.ts';
import { snapshotOf } from '../../support/health/status-samples.ts';
import { freePort } from '../../support/proxy/proxy-harness.ts';
import { tempFolder } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

/** A config of one proxy, which nobody runs, in front of an upstream where nobody listens. */
const openRig = async (label = 'an application') => {
  const folder = tempFolder();
  const config = join(folder, 'steadyport.json');
  const home = join(folder, 'home');
  const upstreamPort = await freePort();
  mkdirSync(home, { mode: 0o700 });
  writeFileSync(
    config,
    JSON.stringify({
      proxies: [{ listen: '127.0.0.1:6274', upstream: `127.0.0.1:${upstreamPort}`, label }],
      monitor: { http: false },
    }),
  );
  const env = {
    STEADYPORT_CONFIG: config,
    STEADYPORT_HOME: home,
    STEADYPORT_PROJECT: 'default',
    PM2_HOME: join(folder, 'pm2'),
  };
  return {
    env,
    upstreamPort,
    monitorSocket: locateStateDir(home).monitorSocket,
    status: (...args: readonly string[]): Promise<Outcome> => steadyport(['status', ...args], env),
  };
};

/** Settles when the monitor has checked the proxy once. */
const startMonitor = async (t: TestContext, { env, status }: Awaited<ReturnType<typeof openRig>>) => {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  startChild(t, 'env', [...variables, process.execPath, join(process.cwd(), 'dist/cli.js'), 'monitor']);
  const isChecked = async (): Promise<boolean> => {
    const { monitor, proxies } = JSON.parse(
      (await status('--evidence', '--json')).stdout,
    ) as SnapshotWithEvidence;
    return monitor !== null && proxies.every(({ evidence }) => evidence !== null);
  };
  await until(isChecked, 'a first check');
};

test('status into a pipe keeps every line whole, but COLUMNS is obeyed', async () => {
  const label = 'long '.repeat(40).trim();
  const { env, status } = await openRig(label);
  const whole = (await status()).stdout;
  assert.match(whole, /: No monitor\. The port is not up: 6274 not started\.$/m);
  assert.ok(whole.includes(`■ 6274  ${label}  not started\n`), whole);
  const narrow = (await steadyport(['status'], { ...env, COLUMNS: '40' })).stdout;
  assert.ok(
    narrow.split('\n').every((line) => line.length <= 40),
    narrow,
  );
});

describe('status --evidence', { concurrency: 4 }, () => {
  for (const who of ['with a monitor', 'without a monitor'] as const)
    test(`prints what the last check of a proxy saw, ${who}`, async (t) => {
      const rig = await openRig();
      if (who === 'with a monitor') await startMonitor(t, rig);
      const { code, stdout } = await rig.status('6274', '--evidence', '--json');
      assert.equal(code, who === 'with a monitor' ? 1 : 3);
      const { proxies } = JSON.parse(stdout) as SnapshotWithEvidence;
      const check = proxies[0]?.evidence;
      assert.ok(check);
      assert.equal(check.evidence.heartbeat, 'unreachable');
      assert.equal(check.evidence.upstream, 'refused');
      assert.equal(check.evidence.crashes, 'few');
      assert.equal(check.probe.detail, `nothing listens on 127.0.0.1:${rig.upstreamPort}`);
      assert.ok(check.durationMs >= 0 && check.startedAt > 0);
      const text = (await rig.status('--evidence')).stdout;
      assert.match(text, /^ {4}heartbeat {4}unreachable$/m);
      assert.match(text, /^ {4}upstream {5}refused$/m);
    });

  test('is no part of every status', async () => {
    const { stdout } = await (await openRig()).status('--json');
    const { proxies } = JSON.parse(stdout) as SnapshotWithEvidence;
    assert.equal(proxies.length, 1);
    assert.ok(proxies.every((proxy) => !('evidence' in proxy)));
  });

  test('says what to do where the monitor is too old to know it', async (t) => {
    const rig = await openRig();
    const older = await serveControl<Pick<MonitorProtocol, 'status'>>(rig.monitorSocket, {
      status: () => snapshotOf(),
    });
    t.after(() => older.close());
    const { code, stdout, stderr } = await rig.status('--evidence');
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /the monitor that runs is of another version than this command.*npm start/);
  });

  for (const status of [{ ...snapshotOf(), version: 1 }, {}, null])
    test(`is asked of no monitor whose status cannot be read: ${JSON.stringify(status)?.slice(0, 20)}`, async (t) => {
      const rig = await openRig();
      const other = await serveControl<Pick<MonitorProtocol, 'status'>>(rig.monitorSocket, {
        status: () => status as unknown as Snapshot,
      });
      t.after(() => other.close());
      for (const options of [[], ['--json'], ['--evidence']]) {
        const { code, stdout, stderr } = await rig.status(...options);
        assert.deepEqual([code, stdout], [2, ''], options.join());
        assert.match(stderr, /is of another version than this command/);
      }
    });
});
