import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHealth, type ProxyState } from '../../../../src/health/state.ts';
import type { Pm2Evidence } from '../../../../src/health/types.ts';
import { createRestartWait, pm2EvidenceOf } from '../../../../src/monitor/checks/pm2.ts';
import type { ProxyRecord } from '../../../../src/monitor/health-store.ts';
import type { Pm2App } from '../../../../src/pm2/client.ts';

describe("what PM2's list says of an app: one that is not in it was deleted, or never came back", () => {
  const app: Pm2App = { pid: 1, status: 'online', statusText: 'online', env: {} };
  const table: readonly [
    daemonPid: number | null,
    listed: boolean,
    knownTo: number | null,
    state: ProxyState,
    Pm2Evidence,
  ][] = [
    [null, false, 77, 'up', 'unknown'],
    [null, false, 77, 'stopped', 'stopped'],
    [null, false, null, 'stopped', 'stopped'],
    [77, true, 77, 'up', 'online'],
    [77, true, null, 'stopped', 'online'],
    [77, false, 77, 'up', 'deleted'],
    [77, false, 77, 'down', 'deleted'],
    [78, false, 77, 'up', 'missing'],
    [77, false, null, 'starting', 'missing'],
    [78, false, 77, 'stopped', 'deleted'],
  ];
  for (const [daemonPid, listed, knownTo, state, expected] of table)
    test(`daemon ${daemonPid}, listed ${listed}, known to ${knownTo}, ${state} → ${expected}`, () => {
      const view =
        daemonPid === null
          ? ({ ok: false, problem: 'away' } as const)
          : ({ ok: true, daemonPid, apps: new Map() } as const);
      const record: ProxyRecord = { health: { ...createHealth(0), state }, daemonPid: knownTo };
      assert.equal(pm2EvidenceOf(view, listed ? app : undefined, record), expected);
    });
});

test('an app that a daemon of unknown pid does not list is unknown, and one that was stopped is deleted', () => {
  const view = { ok: true, daemonPid: null, apps: new Map() } as const;
  const evidenceOf = (state: ProxyState): Pm2Evidence =>
    pm2EvidenceOf(view, undefined, { health: { ...createHealth(0), state }, daemonPid: 77 });
  assert.deepEqual(
    ['up', 'down', 'stopped'].map((state) => evidenceOf(state as ProxyState)),
    ['unknown', 'unknown', 'deleted'],
  );
});

test('a restart that PM2 has forgotten is a failed start, and one that fails again and again is not', () => {
  let now = 0;
  const wait = createRestartWait(() => now);
  const statusAt = (at: number, pid: number, status: Pm2Evidence = 'waiting_restart'): Pm2Evidence => {
    now = at;
    return wait(status, pid);
  };
  assert.equal(statusAt(0, 100), 'waiting_restart');
  assert.equal(statusAt(20_000, 100), 'waiting_restart');
  assert.equal(statusAt(20_001, 100), 'start_failed');
  assert.equal(statusAt(30_000, 101), 'waiting_restart');
  assert.equal(statusAt(50_001, 102), 'waiting_restart');
  assert.equal(statusAt(60_000, 102, 'launching'), 'launching');
  assert.equal(statusAt(70_002, 102), 'waiting_restart');
});
