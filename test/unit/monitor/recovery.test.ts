import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../../src/config/config.ts';
import { createHealth } from '../../../src/health/state.ts';
import type { Remedy } from '../../../src/health/types.ts';
import { createRecovery } from '../../../src/monitor/recovery.ts';
import type { AppDefinition } from '../../../src/pm2/apps.ts';

/** A recovery whose restarts end when the test says so. */
const rig = () => {
  const parsed = parseConfig({ proxies: [{ listen: '6274', upstream: 'localhost:6274' }] });
  assert.ok(parsed.ok && parsed.config.proxies[0]);
  const begun: Remedy[] = [];
  let end = (): void => {};
  const recovery = createRecovery(parsed.config.proxies[0], {
    app: {} as AppDefinition,
    log: () => {},
    relisten: async () => {},
    restart: (remedy) => {
      begun.push(remedy);
      return new Promise((done) => {
        end = done;
      });
    },
  });
  const record = { health: createHealth(0), daemonPid: null };
  return { recovery, record, begun, end: () => end() };
};

test('while a remedy is under way another one is dropped, and the operator is told', async () => {
  const { recovery, record, begun, end } = rig();
  const first = recovery.execute({ kind: 'remedy', remedy: 'restart', cause: 'crashed' }, record);
  assert.equal(recovery.isActing(), true);
  assert.equal(
    await recovery.execute({ kind: 'remedy', remedy: 'force_restart', cause: 'hung' }, record),
    null,
  );
  assert.throws(() => recovery.ensureCanRestart(), /a restart is under way/);
  await assert.rejects(recovery.restart(record), /a restart is under way/);
  assert.deepEqual(begun, ['restart']);
  end();
  assert.equal((await first)?.kind, 'remedy_done');
  assert.equal(recovery.isActing(), false);
});

test("a remedy is dropped while the operator's restart is under way", async () => {
  const { recovery, record, begun, end } = rig();
  const asked = recovery.restart(record);
  assert.equal(await recovery.execute({ kind: 'remedy', remedy: 'start', cause: 'crashed' }, record), null);
  end();
  await asked;
  assert.deepEqual(begun, ['restart']);
});
