import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { createHealth } from '../../../src/health/state.ts';
import { createMetrics } from '../../../src/metrics/prometheus.ts';
import type { ProxyMetrics } from '../../../src/metrics/sample.ts';
import { createStatsCollector } from '../../../src/proxy/connection-stats.ts';
import { NO_ALERTS, type Snapshot } from '../../../src/status/snapshot.ts';
import { problemOf } from '../../support/health/status-samples.ts';
import { needs, needsProgram } from '../../support/requirements.ts';

const counter = createStatsCollector();
counter.add('done', 3, 50);
counter.add('done', 700, 20_000);
counter.add('too_many', null, 0);

const health = createHealth(1_000);
const upProxy: ProxyMetrics = {
  proxy: 'tcp-proxy-7000',
  health: {
    ...health,
    state: 'up',
    restarts: { crash: 1, forced: 2 },
    forcedByCause: { hung: 2 },
    failures: { ...health.failures, total: 3 },
  },
  totals: {
    ...counter.read(),
    total: 3,
    bytesToUpstream: 10,
    bytesToClient: 20,
    connectFailures: { ECONNREFUSED: 4 },
    cpuMs: 1_500,
  },
  checkErrors: 6,
  connections: { active: 4, waitingForUpstream: 5, waitingForSlot: 6, maxConnections: 7 },
  processStartedAt: 2_500,
  resources: {
    at: 0,
    pid: 7,
    rssBytes: 64_000_000,
    cpuMs: 1_500,
    openFiles: 30,
    openFilesLimit: 1_024,
    responseMs: 2,
  },
  probe: { type: 'http', isOk: true, durationMs: 5, lastOkAt: 3_000 },
};
const downProxy: ProxyMetrics = {
  ...upProxy,
  proxy: 'tcp-proxy-7001',
  health: {
    ...health,
    state: 'down',
    cause: 'hung',
    warnings: ['memory_limit'],
    breaker: { ...health.breaker, openCount: 1 },
  },
  connections: null,
  processStartedAt: null,
  resources: null,
  probe: { type: 'listen', isOk: null, durationMs: null, lastOkAt: null },
};
const snapshot: Snapshot = {
  version: 2,
  host: 'devbox',
  project: 'default',
  generatedAt: 3,
  monitorProblem: null,
  proxies: [],
  disabled: [],
  log: [],
  monitor: {
    pid: 8,
    version: '1.2.3',
    startedAt: 1_000,
    intervalMs: 1_000,
    lastCheckAt: 2,
    crashes: 0,
    pm2Problem: null,
    problems: [
      problemOf('checks_fail', 'port 7000: a bug', 'report it'),
      problemOf('pm2_hangs', 'its daemon (pid 4) hangs', 'kill -9 4'),
    ],
    http: null,
    alerts: { ...NO_ALERTS, channels: [{ name: 'slack', waiting: 0, problem: null }] },
  },
};
const usage = { rssBytes: 80_000_000, cpuMs: 2_500, openFiles: 40, openFilesLimit: 2_048 };
const render = (): Promise<string> =>
  createMetrics().render(
    snapshot,
    [upProxy, downProxy],
    { slack: { sent: 3, failed: 2, dropped: 1 } },
    { own: usage, eventLoopLagMs: 3, pm2: { ...usage, openFilesLimit: undefined } },
  );

test('a sample that cannot be shown is left out and reported once, and the rest of the page is shown', async () => {
  const broken = {
    ...upProxy,
    proxy: 'tcp-proxy-7002',
    totals: { ...upProxy.totals, total: 'many', connect: null, bytesToClient: -1 },
  } as unknown as ProxyMetrics;
  const problems: string[] = [];
  const metrics = createMetrics((problem) => problems.push(problem));
  for (let scrape = 0; scrape < 2; scrape += 1) {
    const page = await metrics.render(snapshot, [broken, upProxy]);
    assert.doesNotMatch(page, /connections_total\{proxy="tcp-proxy-7002"\}/);
    assert.match(page, /steadyport_connections_total\{proxy="tcp-proxy-7000"\} 3\n/);
    assert.match(page, /steadyport_up\{proxy="tcp-proxy-7002"\} 1\n/);
    assert.match(page, /bytes_total\{proxy="tcp-proxy-7002",side="client",direction="in"\} 10\n/);
    assert.match(page, /upstream_connect_duration_seconds_count\{proxy="tcp-proxy-7000"\} 2\n/);
  }
  assert.deepEqual(
    problems.map((problem) => problem.replace(/ .*/, '')),
    [
      'steadyport_connections_total',
      'steadyport_bytes_total',
      'steadyport_upstream_connect_duration_seconds',
    ],
  );
});

test('each quantity has its value, in base units', async () => {
  const lines = (await render()).split('\n');
  for (const line of [
    'build_info{version="1.2.3",host="devbox"} 1',
    'config_last_reload_success_timestamp_seconds 1',
    'last_check_timestamp_seconds 0.002',
    'pm2_up 1',
    'pm2_supervises 0',
    'monitor_problem{problem="pm2_hangs"} 1',
    'monitor_problem{problem="checks_fail"} 1',
    'notifications_total{channel="slack",outcome="sent"} 3',
    'notifications_total{channel="slack",outcome="failed"} 2',
    'notifications_total{channel="slack",outcome="dropped"} 1',
    'up{proxy="tcp-proxy-7000"} 1',
    'up{proxy="tcp-proxy-7001"} 0',
    'state{proxy="tcp-proxy-7001",state="down"} 1',
    'state{proxy="tcp-proxy-7001",state="up"} 0',
    'failure_cause{proxy="tcp-proxy-7001",cause="hung"} 1',
    'limit_warning{proxy="tcp-proxy-7001",cause="memory_limit"} 1',
    'restart_circuit_open{proxy="tcp-proxy-7000"} 0',
    'restart_circuit_open{proxy="tcp-proxy-7001"} 1',
    'monitor_process_cpu_seconds_total 2.5',
    'monitor_process_resident_memory_bytes 80000000',
    'monitor_process_open_fds 40',
    'monitor_process_max_fds 2048',
    'monitor_event_loop_lag_seconds 0.003',
    'pm2_process_cpu_seconds_total 2.5',
    'pm2_process_resident_memory_bytes 80000000',
    'failures_total{proxy="tcp-proxy-7000"} 3',
    'restarts_total{proxy="tcp-proxy-7000",cause="crashed"} 1',
    'restarts_total{proxy="tcp-proxy-7000",cause="hung"} 2',
    'connections_active{proxy="tcp-proxy-7000"} 4',
    'connections_active{proxy="tcp-proxy-7001"} 0',
    'connections_queued{proxy="tcp-proxy-7000",for="upstream"} 5',
    'connections_queued{proxy="tcp-proxy-7000",for="slot"} 6',
    'connections_limit{proxy="tcp-proxy-7000"} 7',
    'connections_total{proxy="tcp-proxy-7000"} 3',
    'connections_closed_total{proxy="tcp-proxy-7000",reason="done"} 2',
    'connections_rejected_total{proxy="tcp-proxy-7000",reason="too_many"} 1',
    'bytes_total{proxy="tcp-proxy-7000",side="client",direction="in"} 10',
    'bytes_total{proxy="tcp-proxy-7000",side="client",direction="out"} 20',
    'bytes_total{proxy="tcp-proxy-7000",side="upstream",direction="in"} 20',
    'bytes_total{proxy="tcp-proxy-7000",side="upstream",direction="out"} 10',
    'upstream_connect_failures_total{proxy="tcp-proxy-7000",reason="ECONNREFUSED"} 4',
    'probe_success{proxy="tcp-proxy-7000",probe="http"} 1',
    'probe_duration_seconds{proxy="tcp-proxy-7000",probe="http"} 0.005',
    'probe_last_success_timestamp_seconds{proxy="tcp-proxy-7000",probe="http"} 3',
    'process_cpu_seconds_total{proxy="tcp-proxy-7000"} 1.5',
    'process_resident_memory_bytes{proxy="tcp-proxy-7000"} 64000000',
    'process_open_fds{proxy="tcp-proxy-7000"} 30',
    'process_max_fds{proxy="tcp-proxy-7000"} 1024',
    'process_start_time_seconds{proxy="tcp-proxy-7000"} 2.5',
    'heartbeat_duration_seconds{proxy="tcp-proxy-7000"} 0.002',
  ])
    assert.ok(lines.includes(`steadyport_${line}`), line);
});

test('a quantity that is unknown has no line', async () => {
  const text = await render();
  for (const name of ['connections_limit', 'process_open_fds', 'process_start_time_seconds', 'probe_success'])
    assert.doesNotMatch(text, new RegExp(`^steadyport_${name}\\{proxy="tcp-proxy-7001"`, 'm'), name);
  for (const line of ['pm2_process_max_fds \\d', 'fault\\{proxy="tcp-proxy-7000"'])
    assert.doesNotMatch(text, new RegExp(`^steadyport_${line}`, 'm'), line);
});

test('a PM2 daemon that is gone has no figures', async () => {
  const metrics = createMetrics();
  await metrics.render(snapshot, [upProxy], {}, { own: usage, eventLoopLagMs: 3, pm2: usage });
  const text = await metrics.render(snapshot, [upProxy], {}, { own: usage, eventLoopLagMs: 3, pm2: null });
  assert.doesNotMatch(text, /^steadyport_pm2_process/m);
  assert.match(text, /^steadyport_monitor_process_cpu_seconds_total 2.5$/m);
});

test('a bucket counts all values up to its bound, and the sum is in seconds', async () => {
  const text = await render();
  const values = (name: string): (string | undefined)[] =>
    [...text.matchAll(new RegExp(`^steadyport_${name}\\{proxy="tcp-proxy-7000"(.*)\\} (.*)$`, 'gm'))].map(
      ([, le = '', value]) => `${/le="(.*)"/.exec(le)?.[1] ?? ''} ${value}`,
    );
  assert.deepEqual(values('connection_duration_seconds_bucket'), [
    '0.01 1',
    '0.1 2',
    '1 2',
    '10 2',
    '60 3',
    '600 3',
    '3600 3',
    '+Inf 3',
  ]);
  assert.deepEqual(values('connection_duration_seconds_sum'), [' 20.05']);
  assert.deepEqual(values('connection_duration_seconds_count'), [' 3']);
  assert.deepEqual(values('upstream_connect_duration_seconds_count'), [' 2']);
});

test('a scrape shows the current proxies, and nothing of those of an earlier scrape', async () => {
  const metrics = createMetrics();
  await metrics.render(snapshot, [upProxy, downProxy]);
  const text = await metrics.render(snapshot, [{ ...upProxy, proxy: 'tcp-proxy-7002' }]);
  assert.doesNotMatch(text, /tcp-proxy-700[01]/);
  assert.match(text, /^steadyport_connections_total\{proxy="tcp-proxy-7002"\} 3$/m);
});

test('promtool finds no fault', {
  skip: needs(needsProgram('promtool', 'prometheus')),
}, async () => {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: await render() });
  assert.deepEqual([status, `${stdout}${stderr}`], [0, '']);
});
