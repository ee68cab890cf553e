import { Counter, Gauge, type Metric, Registry } from 'prom-client';
import type { Outcome } from '../alerting/policy/delivery-queue.ts';
import type { ProxyState } from '../health/state.ts';
import { isRefusal } from '../lib/close-reason.ts';
import type { Histogram } from '../lib/histogram.ts';
import type { Snapshot } from '../status/snapshot.ts';
import type { ProcessUsage } from '../system/proc/process-usage.ts';
import type { ProxySample } from './sample.ts';

export interface Metrics {
  readonly contentType: string;
  /**
   * The text of a scrape.
   * @param alerts default: none were sent
   * @param figures of the processes beside the proxies. Default: none are known
   */
  render(
    snapshot: Snapshot,
    samples: readonly ProxySample[],
    alerts?: AlertCounts,
    figures?: ProcessUsage,
  ): Promise<string>;
}

/** What became of the tries to send alerts, by channel. */
type AlertCounts = Readonly<Record<string, Readonly<Record<Outcome, number>>>>;

const STATES: readonly ProxyState[] = [
  'up',
  'degraded',
  'down',
  'starting',
  'stopped',
  'waiting',
  'not_needed',
];
const OUTCOMES: readonly Outcome[] = ['sent', 'failed', 'dropped'];

/**
 * Every Prometheus metric is declared here, in base units and with labels of few values: never a client's address
 * (https://prometheus.io/docs/practices/naming/). Counts are those of all processes of a port.
 */
export const createMetrics = (): Metrics => {
  const registry = new Registry();
  const define = <L extends string>(name: string, help: string, labelNames: readonly L[]) => ({
    ...{ name: `steadyport_${name}`, help, labelNames, registers: [registry] },
  });
  const gauge = <L extends string = 'proxy'>(name: string, help: string, labels?: readonly L[]) =>
    new Gauge(define(name, help, labels ?? (['proxy'] as unknown as readonly L[])));
  const counter = <L extends string = 'proxy'>(name: string, help: string, labels?: readonly L[]) =>
    new Counter(define(name, help, labels ?? (['proxy'] as unknown as readonly L[])));
  const histogram = (name: string, help: string) => defineHistogram(registry, `steadyport_${name}`, help);
  /** Of a process beside the proxies. */
  const processMetrics = (processName: 'monitor' | 'pm2') => {
    const cpuTime = counter(`${processName}_process_cpu_seconds_total`, 'User and system time.', []);
    const resident = gauge(`${processName}_process_resident_memory_bytes`, 'Resident memory.', []);
    const openFds = gauge(`${processName}_process_open_fds`, 'Open files.', []);
    const maxFds = gauge(`${processName}_process_max_fds`, 'The limit of open files.', []);
    return (figures: ProcessUsage['pm2'] | undefined): void => {
      setOrRemove(cpuTime, seconds(figures?.cpuMs));
      setOrRemove(resident, figures?.rssBytes);
      setOrRemove(openFds, figures?.openFiles);
      setOrRemove(maxFds, figures?.openFilesLimit);
    };
  };

  const build = gauge('build_info', 'The version that runs; always 1.', ['version']);
  const reload = gauge('config_last_reload_success_timestamp_seconds', 'When the config was read.', []);
  const lastCheck = gauge(
    'last_check_timestamp_seconds',
    'The look of the proxy that was looked at longest ago.',
    [],
  );
  const pm2 = gauge('pm2_up', '1 when the PM2 daemon answers.', []);
  const monitorProcess = processMetrics('monitor');
  const monitorLag = gauge('monitor_event_loop_lag_seconds', 'How late a turn of its loop came.', []);
  const pm2Process = processMetrics('pm2');
  const deliveries = counter('notifications_total', 'Tries to send a notification.', ['channel', 'outcome']);
  const up = gauge('up', '1 when the proxy serves its port and its upstream answers.');
  const state = gauge('state', '1 for the state that the proxy is in.', ['proxy', 'state']);
  const failureCause = gauge('failure_cause', '1 for the cause of what is wrong now.', ['proxy', 'cause']);
  const warning = gauge('limit_warning', '1 for what is over a limit that only warns.', ['proxy', 'cause']);
  const circuitOpen = gauge('restart_circuit_open', '1 while restarts are tried no more for now.');
  const consecutiveFailures = gauge('consecutive_failures', 'Failed looks in a row.');
  const failures = counter('failures_total', 'Failed looks.');
  const restarts = counter('restarts_total', 'Crashes, and restarts by the monitor.', ['proxy', 'cause']);
  const recovery = histogram('recovery_duration_seconds', 'From the first failure to the first success.');
  const activeConnections = gauge('connections_active', 'Connections that have a place.');
  const queued = gauge('connections_queued', 'Clients that wait, for the upstream or for a slot.', [
    'proxy',
    'for',
  ]);
  const maxConnections = gauge('connections_limit', 'The most connections at a time.');
  const acceptedConnections = counter('connections_total', 'Connections that were accepted.');
  const closedConnections = counter('connections_closed_total', 'Connections that have ended.', [
    'proxy',
    'reason',
  ]);
  const rejectedConnections = counter('connections_rejected_total', 'Clients that were not served.', [
    'proxy',
    'reason',
  ]);
  const bytes = counter('bytes_total', 'Bytes that were passed on.', ['proxy', 'side', 'direction']);
  const connectFailures = counter(
    'upstream_connect_failures_total',
    'Failed tries at one address of the upstream.',
    ['proxy', 'reason'],
  );
  const connectDuration = histogram(
    'upstream_connect_duration_seconds',
    'Of the tries that reached the upstream.',
  );
  const connectionDuration = histogram('connection_duration_seconds', 'From accept to the end.');
  const probeLabels = ['proxy', 'probe'] as const;
  const probeSuccess = gauge('probe_success', '1 when the upstream answered its last probe.', probeLabels);
  const probeDuration = gauge(
    'probe_duration_seconds',
    'What the last probe that succeeded took.',
    probeLabels,
  );
  const probeLastSuccess = gauge(
    'probe_last_success_timestamp_seconds',
    'When the upstream last answered.',
    probeLabels,
  );
  const cpu = counter('process_cpu_seconds_total', 'User and system time.');
  const memory = gauge('process_resident_memory_bytes', 'Resident memory.');
  const openFiles = gauge('process_open_fds', 'Open files.');
  const maxOpenFiles = gauge('process_max_fds', 'The limit of open files.');
  const startTime = gauge('process_start_time_seconds', 'When the process began.');
  const heartbeatDuration = gauge('heartbeat_duration_seconds', 'What the last answer to the monitor took.');

  const setCounters = ({ proxy, totals, health }: ProxySample): void => {
    acceptedConnections.inc({ proxy }, totals.total);
    for (const [reason, sum] of Object.entries(totals.byReason))
      (isRefusal(reason) ? rejectedConnections : closedConnections).inc({ proxy, reason }, sum);
    for (const [side, direction, sum] of [
      ['client', 'in', totals.bytesToUpstream],
      ['client', 'out', totals.bytesToClient],
      ['upstream', 'in', totals.bytesToClient],
      ['upstream', 'out', totals.bytesToUpstream],
    ] as const)
      bytes.inc({ proxy, side, direction }, sum);
    for (const [reason, sum] of Object.entries(totals.connectFailures))
      connectFailures.inc({ proxy, reason }, sum);
    connectDuration.set(proxy, totals.connect);
    connectionDuration.set(proxy, totals.duration);
    cpu.inc({ proxy }, totals.cpuMs / 1_000);
    failures.inc({ proxy }, health.failures.total);
    restarts.inc({ proxy, cause: 'crashed' }, health.restarts.crash);
    for (const [cause, sum] of Object.entries(health.forcedByCause)) restarts.inc({ proxy, cause }, sum);
    recovery.set(proxy, health.recoveries);
  };

  const setGauges = ({
    proxy,
    health,
    connections,
    processStartedAt,
    resources,
    probe: { type, ...lastProbe },
  }: ProxySample): void => {
    const set = (one: Gauge<'proxy'>, value: number | null | undefined): void => {
      if (value !== null && value !== undefined) one.set({ proxy }, value);
    };
    up.set({ proxy }, health.state === 'up' || health.state === 'not_needed' ? 1 : 0);
    for (const one of STATES) state.set({ proxy, state: one }, one === health.state ? 1 : 0);
    const isFaulty = health.state === 'down' || health.state === 'degraded';
    if (isFaulty && health.cause !== null) failureCause.set({ proxy, cause: health.cause }, 1);
    for (const cause of health.warnings) warning.set({ proxy, cause }, 1);
    circuitOpen.set({ proxy }, health.breaker.openCount > 0 ? 1 : 0);
    set(consecutiveFailures, health.failures.consecutive);
    set(activeConnections, connections?.active ?? 0);
    queued.set({ proxy, for: 'upstream' }, connections?.waitingForUpstream ?? 0);
    queued.set({ proxy, for: 'slot' }, connections?.waitingForSlot ?? 0);
    set(maxConnections, connections?.maxConnections);
    set(memory, resources?.rssBytes);
    set(openFiles, resources?.openFiles);
    set(maxOpenFiles, resources?.openFilesLimit);
    set(startTime, seconds(processStartedAt));
    set(heartbeatDuration, seconds(resources?.lagMs));
    const labels = { proxy, probe: type };
    if (lastProbe.isOk !== null) probeSuccess.set(labels, lastProbe.isOk ? 1 : 0);
    if (lastProbe.durationMs !== null) probeDuration.set(labels, lastProbe.durationMs / 1_000);
    if (lastProbe.lastOkAt !== null) probeLastSuccess.set(labels, lastProbe.lastOkAt / 1_000);
  };

  return {
    contentType: registry.contentType,
    render: ({ monitor }, samples, alerts = {}, figures) => {
      registry.resetMetrics();
      if (monitor) {
        build.set({ version: monitor.version }, 1);
        reload.set(monitor.startedAt / 1_000);
        lastCheck.set(monitor.lastCheckAt / 1_000);
        pm2.set(monitor.pm2Problem === null ? 1 : 0);
      }
      monitorProcess(figures?.own);
      setOrRemove(monitorLag, seconds(figures?.lagMs));
      pm2Process(figures?.pm2);
      for (const { name } of monitor?.alerts.channels ?? [])
        for (const outcome of OUTCOMES)
          deliveries.inc({ channel: name, outcome }, alerts[name]?.[outcome] ?? 0);
      for (const one of samples) {
        setCounters(one);
        setGauges(one);
      }
      return registry.metrics();
    },
  };
};

/** A metric without labels would be 0 where nothing is known. */
const setOrRemove = (metric: Gauge<never> | Counter<never>, value: number | null | undefined): void => {
  if (value === null || value === undefined) metric.remove();
  else metric.inc(value);
};

const seconds = (ms: number | null | undefined): number | null =>
  ms === null || ms === undefined ? null : ms / 1_000;

/** A histogram whose counts come from elsewhere: prom-client's own counts only what it has observed itself. */
const defineHistogram = (registry: Registry, name: string, help: string) => {
  const histograms = new Map<string, Histogram>();
  const metric = {
    ...{ name, help, type: 'histogram', aggregator: 'sum' },
    reset: () => histograms.clear(),
    get: async () => ({
      ...{ name, help, type: 'histogram', aggregator: 'sum' },
      values: [...histograms].flatMap(([proxy, histogram]) => samplesOf(name, proxy, histogram)),
    }),
  };
  registry.registerMetric(metric as unknown as Metric);
  return { set: (proxy: string, histogram: Histogram) => void histograms.set(proxy, histogram) };
};

/** Each bucket has those before it in it; the last one has all. */
const samplesOf = (name: string, proxy: string, { boundsMs, counts, sumMs }: Histogram) => {
  let sum = 0;
  const buckets = counts.map((count, bucket) => {
    sum += count;
    const bound = boundsMs[bucket];
    const le = bound === undefined ? '+Inf' : bound / 1_000;
    return { metricName: `${name}_bucket`, labels: { proxy, le }, value: sum };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: { proxy }, value: sumMs / 1_000 },
    { metricName: `${name}_count`, labels: { proxy }, value: sum },
  ];
};
