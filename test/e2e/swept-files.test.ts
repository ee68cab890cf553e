import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { HAS_PROCFS } from '../../src/system/proc/procfs.ts';
import { openPm2Sandbox, openUpstream } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { needs } from '../support/requirements.ts';
import { until } from '../support/until.ts';

const isUp = ({ state }: ProxyStatus): boolean => state === 'up';

test('files that are removed from under what runs are made anew, and a monitor that starts meanwhile kills no proxy', {
  skip: needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)'),
}, async (t) => {
  const sandbox = openPm2Sandbox();
  const upstream = await openUpstream();
  t.after(() => sandbox.close());
  t.after(() => upstream.close());
  const ports = [await freePort(), await freePort()];
  sandbox.configure(
    ports.map((port) => ({ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` })),
    { intervalMs: 100, fastIntervalMs: 50 },
  );
  assert.equal((await sandbox.steadyport('start')).code, 0);
  const before = await Promise.all(ports.map((port) => sandbox.proxyUntil(port, isUp)));

  const home = sandbox.env['STEADYPORT_HOME'] ?? '';
  rmSync(join(home, 'ports'), { recursive: true });
  rmSync(join(home, 'monitor.sock'));
  await sandbox.pm2('restart', 'proxy-monitor');
  for (const port of ports)
    for (const name of ['control.sock', 'pid'])
      await until(() => existsSync(join(home, 'ports', String(port), name)), `${name} of ${port}`);
  const after = await Promise.all(ports.map((port) => sandbox.proxyUntil(port, isUp)));
  assert.deepEqual(
    after.map(({ pid, restarts }) => [pid, restarts]),
    before.map(({ pid, restarts }) => [pid, restarts]),
  );
});
