import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { NoAnswer } from '../../../src/commands/ask-monitor.ts';
import { hasComeUp, type Progress, progressOf } from '../../../src/commands/service/start-outcome.ts';
import type { Project } from '../../../src/config/project/project.ts';
import type { Pm2Evidence } from '../../../src/health/types.ts';
import type { OfflineStatus } from '../../../src/monitor/offline-status.ts';
import type { Pm2App, Pm2View } from '../../../src/pm2/client.ts';
import { NO_DAEMON } from '../../../src/pm2/rpc.ts';
import type { CheckDetails } from '../../../src/status/evidence.ts';
import type { ProxyStatus } from '../../../src/status/snapshot.ts';
import { MONITOR, proxyStatus, snapshotOf } from '../../support/health/status-samples.ts';

const MONITOR_APP = 'proxy-monitor';
const PROXY = proxyStatus({}).name;
const MONITOR_PID = MONITOR.pid;

const app = (status: Pm2Evidence, pid: number | null): Pm2App => ({
  pid,
  status,
  statusText: status,
  env: {},
});

/** PM2's list with the proxy, if it has one, and the monitor. */
const listed = (proxy: Pm2App | undefined, monitor: Pm2App | null = app('online', MONITOR_PID)): Pm2View => ({
  ok: true,
  daemonPid: 1,
  apps: new Map([
    ...(proxy ? [[PROXY, proxy] as const] : []),
    ...(monitor ? [[MONITOR_APP, monitor] as const] : []),
  ]),
});

/** The monitor's answer, whose last check was of the process with the pid. */
const answer = (change: Partial<ProxyStatus>, checkedPid: number | null): OfflineStatus => ({
  snapshot: snapshotOf(proxyStatus(change)),
  evidence: { [PROXY]: { pid: checkedPid } as CheckDetails },
});

const failures = (consecutive: number) => ({ consecutive, sinceHealthy: consecutive, total: consecutive });
const STOPPED = { state: 'stopped', cause: null } as const;
const CRASHED = { state: 'down', cause: 'crashed' } as const;

describe('how far the start of a proxy is', () => {
  const table: readonly [
    title: string,
    view: Pm2View,
    answer: OfflineStatus | NoAnswer,
    progress: Progress,
  ][] = [
    ['it was checked, and is up', listed(app('online', 7)), answer({ state: 'up' }, 7), 'decided'],
    ['the check was of the process before', listed(app('online', 7)), answer({ state: 'up' }, 6), 'starting'],
    [
      "the check was by PM2's list of before the start",
      listed(app('online', 7)),
      answer(STOPPED, null),
      'starting',
    ],
    ['PM2 is launching it', listed(app('launching', 7)), answer({ state: 'starting' }, 7), 'starting'],
    [
      'PM2 is launching it, and it was stopped before',
      listed(app('launching', 7)),
      answer(STOPPED, 7),
      'starting',
    ],
    ['it starts', listed(app('online', 7)), answer({ state: 'starting' }, 7), 'starting'],
    ['it was stopped meanwhile', listed(app('stopped', null)), answer(STOPPED, null), 'final'],
    ['PM2 does not have it', listed(undefined), answer(STOPPED, null), 'final'],
    [
      'it has crashed',
      listed(app('waiting_restart', 7)),
      answer({ ...CRASHED, failures: failures(1) }, 7),
      'decided',
    ],
    [
      'it crashes faster than it is checked',
      listed(app('launching', 8)),
      answer({ ...CRASHED, failures: failures(3) }, 7),
      'final',
    ],
    [
      'the process before has crashed, and this one has not',
      listed(app('online', 8)),
      answer({ ...CRASHED, failures: failures(0) }, 7),
      'starting',
    ],
    ["PM2's list could not be had", { ok: false, problem: 'PM2 did not answer' }, 'none', 'starting'],
    ['there is no daemon', { ok: false, problem: NO_DAEMON }, 'none', 'final'],
    ['the monitor does not answer yet', listed(app('online', 7)), 'none', 'starting'],
    [
      'the monitor has crashed',
      listed(app('online', 7), app('waiting_restart', MONITOR_PID)),
      'none',
      'final',
    ],
    [
      'another monitor answers',
      listed(app('online', 7), app('online', MONITOR_PID + 1)),
      answer({ state: 'up' }, 7),
      'final',
    ],
  ];
  for (const [title, view, given, progress] of table)
    test(`${title}: ${progress}`, () => assert.equal(progressOf(PROXY, MONITOR_APP, view, given), progress));
});

describe('how far the start of the monitor is', () => {
  const table: readonly [
    title: string,
    monitor: Pm2App | null,
    answer: OfflineStatus | NoAnswer,
    progress: Progress,
  ][] = [
    ['it answers', app('online', MONITOR_PID), answer({}, 7), 'decided'],
    ['PM2 is launching it', app('launching', MONITOR_PID), 'none', 'starting'],
    ['it is silent', app('online', MONITOR_PID), 'silent', 'starting'],
    ['PM2 does not have it', null, 'none', 'final'],
    ['it has crashed', app('waiting_restart', MONITOR_PID), 'none', 'final'],
    ['another one answers', app('launching', MONITOR_PID + 1), answer({}, 7), 'final'],
  ];
  for (const [title, monitor, given, progress] of table)
    test(`${title}: ${progress}`, () =>
      assert.equal(progressOf(MONITOR_APP, MONITOR_APP, listed(app('online', 7), monitor), given), progress));
});

test('a start is good when everything runs, and nothing is still starting', () => {
  const { snapshot } = answer({ state: 'up' }, 7);
  const outcome = { view: listed(app('online', 7)), snapshot, starting: [] };
  const project = { monitorApp: MONITOR_APP } as Project;
  const apps = [{ name: PROXY }, { name: MONITOR_APP }];
  assert.equal(hasComeUp(outcome, project, apps), true);
  assert.equal(hasComeUp({ ...outcome, starting: [PROXY] }, project, apps), false);
  assert.equal(hasComeUp({ ...outcome, view: listed(app('launching', 7)) }, project, apps), false);
});
