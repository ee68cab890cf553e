import { type DeliveryCounts, OUTCOMES } from '../alerting/delivery.ts';
import { PROXY_STATES } from '../health/state.ts';
import { isRefusal } from '../lib/close-reason.ts';
import type { MonitorProblemKind } from '../status/monitor-problem.ts';
import type { MonitorStatus, Snapshot } from '../status/snapshot.ts';
import type { ProcessUsage } from '../system/proc/process-usage.ts';
import { byLabel, type MetricRow, type Reading, toFlag, toSeconds } from './row.ts';
import type { ProxyMetrics } from './sample.ts';

/** The source of the monitor's metrics. */
export interface MonitorSample {
  readonly host: string;
  readonly monitor: Snapshot['monitor'];
  readonly alerts: DeliveryCounts;
  readonly usage: ProcessUsage | undefined;
}

const hasProblem = ({ problems }: MonitorStatus, kind: MonitorProblemKind): boolean =>
  problems.some((problem) => problem.kind === kind);

/** The connections that ended for a reason that is a refusal, or for one that is not. */
const CONFIG_PROBLEMS: readonly MonitorProblemKind[] = [
  'config_not_applied',
  'config_broken',
  'config_missing',
];

const closedConnections = ({ totals }: ProxyMetrics, areRefusals: boolean): Reading =>
  byLabel(
    'reason',
    Object.fromEntries(
      Object.entries(totals.byReason).filter(([reason]) => isRefusal(reason) === areRefusals),
    ),
  );

const failureCause = ({ health: { state, cause } }: ProxyMetrics): Reading =>
  cause !== null && (state === 'down' || state === 'degraded') ? [[{ cause }, 1]] : [];

/** A value of the last probe, with the kind of the probe as its label. */
const probeReading = ({ probe: { type } }: ProxyMetrics, value: number | null): Reading =>
  value === null ? [] : [[{ probe: type }, value]];

const notifications = ({ monitor, alerts }: MonitorSample): Reading =>
  (monitor?.alerts.channels ?? []).flatMap(({ name }) =>
    OUTCOMES.map((outcome) => [{ channel: name, outcome }, alerts[name]?.[outcome] ?? 0] as const),
  );

/** The metrics of a process that is no proxy. */
const processRows = (
  processName: 'monitor' | 'pm2',
  usageOf: (usage: ProcessUsage) => ProcessUsage['pm2'],
): readonly MetricRow<MonitorSample>[] => {
  const usageIn = ({ usage }: MonitorSample) => usage && usageOf(usage);
  const name = `${processName}_process`;
  return [
    {
      name: `${name}_cpu_seconds_total`,
      type: 'counter',
      help: 'User and system time.',
      labels: [],
      read: (sample) => toSeconds(usageIn(sample)?.cpuMs),
    },
    {
      name: `${name}_resident_memory_bytes`,
      type: 'gauge',
      help: 'Resident memory.',
      labels: [],
      read: (sample) => usageIn(sample)?.rssBytes,
    },
    {
      name: `${name}_open_fds`,
      type: 'gauge',
      help: 'Open files.',
      labels: [],
      read: (sample) => usageIn(sample)?.openFiles,
    },
    {
      name: `${name}_max_fds`,
      type: 'gauge',
      help: 'The limit of open files.',
      labels: [],
      read: (sample) => usageIn(sample)?.openFilesLimit,
    },
  ];
};

/** The metrics of the monitor itself and of PM2, in the order of a scrape. */
export const MONITOR_METRICS: readonly MetricRow<MonitorSample>[] = [
  {
    name: 'build_info',
    type: 'gauge',
    help: "The running version and the machine's name; always 1.",
    labels: ['version', 'host'],
    read: ({ monitor, host }) => (monitor ? [[{ version: monitor.version, host }, 1]] : []),
  },
  {
    name: 'config_last_reload_success_timestamp_seconds',
    type: 'gauge',
    help: 'The time at which the config was read.',
    labels: [],
    read: ({ monitor }) => toSeconds(monitor?.startedAt),
  },
  {
    name: 'config_stale',
    type: 'gauge',
    help: '1 when the config was edited since and not applied, has mistakes, or is gone: what runs goes on with the accepted one.',
    labels: [],
    read: ({ monitor }) => monitor && toFlag(CONFIG_PROBLEMS.some((kind) => hasProblem(monitor, kind))),
  },
  {
    name: 'monitor_crashes_total',
    type: 'counter',
    help: 'Ends of monitors that nobody had asked to leave: crashes, kills, and ends of the machine.',
    labels: [],
    read: ({ monitor }) => monitor?.crashes,
  },
  {
    name: 'last_check_timestamp_seconds',
    type: 'gauge',
    help: 'The oldest of the last checks of the proxies.',
    labels: [],
    read: ({ monitor }) => toSeconds(monitor?.lastCheckAt),
  },
  {
    name: 'pm2_up',
    type: 'gauge',
    help: '1 when the PM2 daemon answers.',
    labels: [],
    read: ({ monitor }) => monitor && toFlag(monitor.pm2Problem === null),
  },
  {
    name: 'pm2_supervises',
    type: 'gauge',
    help: '0 when the PM2 daemon is dead, hangs, or is a new one that has none of the apps: nothing brings back what dies.',
    labels: [],
    read: ({ monitor }) =>
      monitor && toFlag(!hasProblem(monitor, 'pm2_lost') && !hasProblem(monitor, 'pm2_hangs')),
  },
  {
    name: 'monitor_out_of_files',
    type: 'gauge',
    help: '1 when the monitor is at its limit of open files, also while it works with its reserve.',
    labels: [],
    read: ({ monitor }) =>
      monitor && toFlag(hasProblem(monitor, 'out_of_files') || hasProblem(monitor, 'short_of_files')),
  },
  {
    name: 'monitor_problem',
    type: 'gauge',
    help: '1 for each problem of the monitor itself, or of what it needs; no sample for the others.',
    labels: ['problem'],
    read: ({ monitor }) => (monitor?.problems ?? []).map(({ kind }) => [{ problem: kind }, 1]),
  },
  ...processRows('monitor', ({ own }) => own),
  {
    name: 'monitor_event_loop_lag_seconds',
    type: 'gauge',
    help: 'The time that the next turn of its event loop took to come, at the scrape.',
    labels: [],
    read: ({ usage }) => toSeconds(usage?.eventLoopLagMs),
  },
  ...processRows('pm2', ({ pm2 }) => pm2),
  {
    name: 'notifications_total',
    type: 'counter',
    help: 'Tries to send a notification; failed ones are repeated, dropped ones were refused for good.',
    labels: ['channel', 'outcome'],
    read: notifications,
  },
];

/**
 * The metrics of each proxy, in the order of a scrape. The label `proxy` is added to those named here. Counts are those
 * of all processes of a port.
 */
export const PROXY_METRICS: readonly MetricRow<ProxyMetrics>[] = [
  {
    name: 'up',
    type: 'gauge',
    help: '1 for the states up and not_needed, otherwise 0.',
    labels: [],
    read: ({ health: { state } }) => toFlag(state === 'up' || state === 'not_needed'),
  },
  {
    name: 'state',
    type: 'gauge',
    help: '1 for the state that the proxy is in, 0 for the others.',
    labels: ['state'],
    read: ({ health }) => PROXY_STATES.map((state) => [{ state }, toFlag(state === health.state)]),
  },
  {
    name: 'failure_cause',
    type: 'gauge',
    help: '1 for the cause of the present failure; no sample while there is none.',
    labels: ['cause'],
    read: failureCause,
  },
  {
    name: 'limit_warning',
    type: 'gauge',
    help: '1 for each exceeded limit that only warns; no sample for the others.',
    labels: ['cause'],
    read: ({ health }) => health.warnings.map((cause) => [{ cause }, 1]),
  },
  {
    name: 'restart_circuit_open',
    type: 'gauge',
    help: '1 while restarts are paused because earlier ones did not help.',
    labels: [],
    read: ({ health }) => toFlag(health.breaker.openCount > 0),
  },
  {
    name: 'consecutive_failures',
    type: 'gauge',
    help: 'Failed checks in a row.',
    labels: [],
    read: ({ health }) => health.failures.consecutive,
  },
  {
    name: 'failures_total',
    type: 'counter',
    help: 'Failed checks.',
    labels: [],
    read: ({ health }) => health.failures.total,
  },
  {
    name: 'check_errors_total',
    type: 'counter',
    help: 'Checks that failed in the monitor itself.',
    labels: [],
    read: ({ checkErrors }) => checkErrors,
  },
  {
    name: 'restarts_total',
    type: 'counter',
    help: 'Crashes, and restarts by the monitor.',
    labels: ['cause'],
    read: ({ health }) => [
      [{ cause: 'crashed' }, health.restarts.crash],
      ...Object.entries(health.forcedByCause).map(([cause, count]) => [{ cause }, count] as const),
    ],
  },
  {
    name: 'recovery_duration_seconds',
    type: 'histogram',
    help: 'The time from the first failure to the first success, for the faults of the proxy itself.',
    labels: [],
    read: ({ health }) => health.recoveries,
  },
  {
    name: 'connections_active',
    type: 'gauge',
    help: 'Connections that have a slot.',
    labels: [],
    read: ({ connections }) => connections?.active ?? 0,
  },
  {
    name: 'connections_queued',
    type: 'gauge',
    help: 'Clients that wait, for the upstream or for a slot.',
    labels: ['for'],
    read: ({ connections }) => [
      [{ for: 'upstream' }, connections?.waitingForUpstream ?? 0],
      [{ for: 'slot' }, connections?.waitingForSlot ?? 0],
    ],
  },
  {
    name: 'connections_limit',
    type: 'gauge',
    help: 'The maximum number of connections at a time.',
    labels: [],
    read: ({ connections }) => connections?.maxConnections,
  },
  {
    name: 'connections_total',
    type: 'counter',
    help: 'Connections that were accepted.',
    labels: [],
    read: ({ totals }) => totals.total,
  },
  {
    name: 'connections_closed_total',
    type: 'counter',
    help: 'Connections that have ended.',
    labels: ['reason'],
    read: (sample) => closedConnections(sample, false),
  },
  {
    name: 'connections_rejected_total',
    type: 'counter',
    help: 'Clients that were not served.',
    labels: ['reason'],
    read: (sample) => closedConnections(sample, true),
  },
  {
    name: 'bytes_total',
    type: 'counter',
    help: 'Bytes that were forwarded.',
    labels: ['side', 'direction'],
    read: ({ totals: { bytesToUpstream, bytesToClient } }) => [
      [{ side: 'client', direction: 'in' }, bytesToUpstream],
      [{ side: 'client', direction: 'out' }, bytesToClient],
      [{ side: 'upstream', direction: 'in' }, bytesToClient],
      [{ side: 'upstream', direction: 'out' }, bytesToUpstream],
    ],
  },
  {
    name: 'upstream_connect_failures_total',
    type: 'counter',
    help: 'Failed tries at one address of the upstream.',
    labels: ['reason'],
    read: ({ totals }) => byLabel('reason', totals.connectFailures),
  },
  {
    name: 'upstream_connect_duration_seconds',
    type: 'histogram',
    help: 'The duration of each try that reached the upstream.',
    labels: [],
    read: ({ totals }) => totals.connect,
  },
  {
    name: 'connection_duration_seconds',
    type: 'histogram',
    help: 'The time from accept to the end of a connection.',
    labels: [],
    read: ({ totals }) => totals.duration,
  },
  {
    name: 'probe_success',
    type: 'gauge',
    help: '1 when the upstream answered its last probe.',
    labels: ['probe'],
    read: (sample) => probeReading(sample, sample.probe.isOk === null ? null : toFlag(sample.probe.isOk)),
  },
  {
    name: 'probe_duration_seconds',
    type: 'gauge',
    help: 'The duration of the last successful probe.',
    labels: ['probe'],
    read: (sample) => probeReading(sample, toSeconds(sample.probe.durationMs)),
  },
  {
    name: 'probe_last_success_timestamp_seconds',
    type: 'gauge',
    help: 'The time of the last successful probe.',
    labels: ['probe'],
    read: (sample) => probeReading(sample, toSeconds(sample.probe.lastOkAt)),
  },
  {
    name: 'process_cpu_seconds_total',
    type: 'counter',
    help: 'User and system time.',
    labels: [],
    read: ({ totals }) => toSeconds(totals.cpuMs),
  },
  {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    help: 'Resident memory.',
    labels: [],
    read: ({ resources }) => resources?.rssBytes,
  },
  {
    name: 'process_open_fds',
    type: 'gauge',
    help: 'Open files.',
    labels: [],
    read: ({ resources }) => resources?.openFiles,
  },
  {
    name: 'process_max_fds',
    type: 'gauge',
    help: 'The limit of open files.',
    labels: [],
    read: ({ resources }) => resources?.openFilesLimit,
  },
  {
    name: 'process_start_time_seconds',
    type: 'gauge',
    help: 'The start of the process.',
    labels: [],
    read: ({ processStartedAt }) => toSeconds(processStartedAt),
  },
  {
    name: 'heartbeat_duration_seconds',
    type: 'gauge',
    help: 'The duration of the last answer to the monitor.',
    labels: [],
    read: ({ resources }) => toSeconds(resources?.responseMs),
  },
];
