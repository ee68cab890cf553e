import type { ProxyView } from '../../src/alerting/policy/proxy-view.ts';
import { createHealth, type Incident, type ProxyState } from '../../src/health/state.ts';
import type { MonitorStatus, ProxyStatus, Snapshot } from '../../src/status/snapshot.ts';
import { incident, proxyViewOf } from './alerting/alert-scenario.ts';
import { MONITOR, proxyStatus, snapshotOf } from './health/status-samples.ts';

/** Facts as the monitor has them, for the examples that `npm run generate` writes into the documentation. */

/** 2026-11-27 04:05:06 UTC, in milliseconds. */
export const NOW = Date.UTC(2026, 10, 27, 4, 5, 6);

const UP: ProxyStatus = proxyStatus({
  since: NOW - 8_200,
  pid: 4711,
  engine: 'kernel',
  restarts: { crash: 1, forced: 0 },
  failures: { consecutive: 0, sinceHealthy: 0, total: 1 },
  recovery: { count: 1, lastMs: 546, meanMs: 546 },
  uptimePercent: 99.998,
  incidents: [{ startedAt: NOW - 8_746, endedAt: NOW - 8_200, cause: 'crashed', actions: [] }],
  usage: { memoryBytes: 57e6, cpuPercent: 0, openFiles: 24, openFilesLimit: 20_000, lagMs: 1 },
  connections: { active: 2, total: 41 },
  checkMs: 4,
});

const DOWN: ProxyStatus = proxyStatus({
  port: 6277,
  label: 'MCP Inspector Proxy',
  state: 'down',
  cause: 'upstream_down',
  since: NOW - 3_200,
  detail: 'nothing listens on localhost:6277',
  pid: 4712,
  engine: 'kernel',
  restarts: { crash: 0, forced: 0 },
  failures: { consecutive: 12, sinceHealthy: 12, total: 12 },
  uptimePercent: 99.981,
  incidents: [{ startedAt: NOW - 3_700, endedAt: null, cause: 'upstream_down', actions: [] }],
  usage: { memoryBytes: 56e6, cpuPercent: 0, openFiles: 22, openFilesLimit: 20_000, lagMs: 1 },
  connections: { active: 0, total: 7 },
});

const SAMPLE_MONITOR: MonitorStatus = {
  ...MONITOR,
  pid: 4720,
  startedAt: NOW - 480_000,
  lastCheckAt: NOW - 242,
  http: 'http://127.0.0.1:6270',
};

/** A status with one port that is up, and one whose application is away. */
export const SNAPSHOT: Snapshot = { ...snapshotOf(UP, DOWN), generatedAt: NOW, monitor: SAMPLE_MONITOR };

/** The same status with one proxy, in another state. */
export const snapshotIn = (state: ProxyState): Snapshot => ({ ...SNAPSHOT, proxies: [{ ...UP, state }] });

/** The time after which an outage of an application is announced, by the default `alerts.afterMs` and `alerts.groupWaitMs`. */
const ANNOUNCED_AFTER_MS = 65_000;

/** The incident of the port that is down, as old as one that is announced at {@link NOW}. */
export const INCIDENT: Incident = incident(NOW - ANNOUNCED_AFTER_MS, { pid: 4712 });

/** The port that is down, as the alerts see it. */
export const VIEW: ProxyView = {
  ...proxyViewOf(
    { ...createHealth(NOW - 480_000), state: 'down', cause: DOWN.cause, incident: INCIDENT },
    6277,
  ),
  label: DOWN.label,
  detail: DOWN.detail,
};
