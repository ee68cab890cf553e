import { loadSource } from './sources.js';

/** Facts as the monitor has them, for the examples in the documentation. */

/** 2026-11-27 04:05:06 UTC, in milliseconds. */
export const NOW = Date.UTC(2026, 10, 27, 4, 5, 6);

const { createHealth } = loadSource('src/health/state.ts');

const UP = {
  name: 'tcp-proxy-6274',
  id: '6274',
  port: 6274,
  label: 'MCP Inspector Web UI',
  listen: ['10.0.0.5:6274'],
  upstream: 'localhost:6274',
  optional: false,
  state: 'up',
  cause: null,
  since: NOW - 8_200,
  detail: null,
  pid: 4711,
  pm2: 'online',
  engine: 'kernel',
  engineReason: null,
  restarts: { crash: 1, forced: 0 },
  failures: { consecutive: 0, sinceHealthy: 0, total: 1 },
  failureThreshold: 3,
  recovery: { count: 1, lastMs: 546, meanMs: 546 },
  uptimePercent: 99.998,
  incidents: [{ startedAt: NOW - 8_746, endedAt: NOW - 8_200, cause: 'crashed', actions: [] }],
  warnings: [],
  usage: { memoryBytes: 57e6, cpuPercent: 0, openFiles: 24, openFilesLimit: 20_000, lagMs: 1 },
  nextRestartAt: null,
  connections: { active: 2, total: 41 },
  checkMs: 4,
  portOwner: null,
  urls: ['http://10.0.0.5:6274'],
  answersOnOwnAddress: true,
};

const DOWN = {
  ...UP,
  name: 'tcp-proxy-6277',
  id: '6277',
  port: 6277,
  label: 'MCP Inspector Proxy',
  listen: ['10.0.0.5:6277'],
  upstream: 'localhost:6277',
  state: 'down',
  cause: 'upstream_down',
  since: NOW - 3_200,
  detail: 'nothing listens on localhost:6277',
  pid: 4712,
  restarts: { crash: 0, forced: 0 },
  failures: { consecutive: 12, sinceHealthy: 12, total: 12 },
  recovery: { count: 0, lastMs: 0, meanMs: 0 },
  uptimePercent: 99.981,
  incidents: [{ startedAt: NOW - 3_700, endedAt: null, cause: 'upstream_down', actions: [] }],
  usage: { memoryBytes: 56e6, cpuPercent: 0, openFiles: 22, openFilesLimit: 20_000, lagMs: 1 },
  connections: { active: 0, total: 7 },
  checkMs: null,
  urls: ['http://10.0.0.5:6277'],
};

/** A status with one port that is up, and one whose application is away. */
export const SNAPSHOT = {
  version: 2,
  generatedAt: NOW,
  monitor: {
    pid: 4720,
    version: '0.1.0',
    startedAt: NOW - 480_000,
    intervalMs: 1_000,
    lastCheckAt: NOW - 242,
    pm2Problem: null,
    http: 'http://127.0.0.1:6270',
    alerts: { silenceEndsAt: null, channels: [] },
  },
  monitorProblem: null,
  proxies: [UP, DOWN],
  log: [],
};

/** The same status with one proxy, in another state. */
export const snapshotIn = (state) => ({ ...SNAPSHOT, proxies: [{ ...UP, state }] });

const INCIDENT = {
  startedAt: NOW - 3_700,
  pid: DOWN.pid,
  cause: DOWN.cause,
  actions: [],
  alerted: true,
  isProxyFault: false,
  recoveringSince: null,
};

/** The port that is down, as the alerts see it. */
export const VIEW = {
  name: DOWN.name,
  label: DOWN.label,
  place: 'port 6277',
  upstream: DOWN.upstream,
  health: { ...createHealth(NOW - 480_000), state: 'down', cause: DOWN.cause, incident: INCIDENT },
  detail: DOWN.detail,
  portOwner: null,
  limits: {},
};
