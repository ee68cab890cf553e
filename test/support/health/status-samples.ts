import { NO_SAMPLES, usageOf } from '../../../src/health/resource-limits.ts';
import type { MonitorProblem, MonitorProblemKind } from '../../../src/status/monitor-problem.ts';
import type { TextStyle } from '../../../src/status/render.ts';
import {
  type DisabledProxy,
  type MonitorStatus,
  NO_ALERTS,
  type ProxyStatus,
  SNAPSHOT_VERSION,
  type Snapshot,
} from '../../../src/status/snapshot.ts';

export const NOW_MS = 1_761_902_000_000;

/** A style without colours. */
export const PLAIN: TextStyle = { success: (text) => text, error: (text) => text, dim: (text) => text };

/** A problem of the monitor. */
export const problemOf = (kind: MonitorProblemKind, reason: string, nextStep: string): MonitorProblem => ({
  kind,
  text: `${reason}: ${nextStep}`,
  reason,
  nextStep,
  since: 1,
});

export const MONITOR: MonitorStatus = {
  pid: 77,
  version: '0.1.0',
  startedAt: NOW_MS - 100_000,
  intervalMs: 1_000,
  lastCheckAt: NOW_MS - 300,
  crashes: 0,
  pm2Problem: null,
  problems: [],
  http: '127.0.0.1:6270',
  alerts: NO_ALERTS,
};

/** @returns a proxy that is up, with the fields of `change` replaced */
export const proxyStatus = (change: Partial<ProxyStatus>): ProxyStatus => {
  const port = change.port ?? 6274;
  return {
    name: `tcp-proxy-${port}`,
    id: `${port}`,
    port,
    label: 'MCP Inspector Web UI',
    listen: [`10.0.0.5:${port}`],
    upstream: `localhost:${port}`,
    optional: false,
    allow: ['loopback', 'private'],
    state: 'up',
    cause: null,
    since: NOW_MS - 60_000,
    detail: null,
    pid: 4242,
    pm2: 'online',
    engine: 'portable',
    engineReason: null,
    restarts: { crash: 1, forced: 2 },
    failures: { consecutive: 0, sinceHealthy: 0, total: 5 },
    failureThreshold: 3,
    recovery: { count: 0, lastMs: 0, meanMs: 0 },
    uptimePercent: 99.5,
    incidents: [],
    warnings: [],
    usage: usageOf(NO_SAMPLES),
    nextRestartAt: null,
    connections: { active: 3, total: 99 },
    refusals: { byReason: {}, lastNotAllowed: null },
    checkMs: null,
    listenProblem: null,
    listenAdvice: null,
    portOwner: null,
    sharesPort: true,
    urls: [`http://10.0.0.5:${port}`],
    answersOnOwnAddress: true,
    ...change,
  };
};

export const DISABLED: DisabledProxy = { name: 'tcp-proxy-6280', id: '6280', port: 6280, label: 'Debugger' };

export const snapshotOf = (...proxies: readonly ProxyStatus[]): Snapshot => ({
  version: SNAPSHOT_VERSION,
  host: '',
  project: 'default',
  generatedAt: NOW_MS,
  monitor: MONITOR,
  monitorProblem: null,
  proxies,
  disabled: [],
  log: [],
});

/** @returns the columns that a terminal needs for the text, counted by grapheme clusters */
export const displayWidth = (text: string): number =>
  [...new Intl.Segmenter().segment(text)].reduce(
    (sum, { segment }) => sum + (/\p{Emoji_Presentation}|\ufe0f|\p{Script=Han}/u.test(segment) ? 2 : 1),
    0,
  );
