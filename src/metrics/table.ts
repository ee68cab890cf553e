import type { Outcome } from '../alerting/policy/delivery-queue.ts';
import type { ProxyState } from '../health/state.ts';
import { isRefusal } from '../lib/close-reason.ts';
import type { Snapshot } from '../status/snapshot.ts';
import type { ProcessUsage } from '../system/proc/process-usage.ts';
import { byLabel, type MetricRow, type Reading, toFlag, toSeconds } from './row.ts';
import type { ProxySample } from './sample.ts';

/** The number of tries to send a notification with each outcome, by channel. */
export type AlertCounts = Readonly<Record<string, Readonly<Record<Outcome, number>>>>;

/** The source of the monitor's metrics. */
export interface MonitorSample {
  readonly monitor: Snapshot['monitor'];
  readonly alerts: AlertCounts;
  readonly usage: ProcessUsage | undefined;
}

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

/** The connections that ended for a reason that is a refusal, or for one that is not. */
const closedConnections = ({ totals }: ProxySample, areRefusals: boolean): Reading =>
  byLabel(
    'reason',
    Object.fromEntries(
      Object.entries(totals.byReason).filter(([reason]) => isRefusal(reason) === areRefusals),
    ),
  );

const failureCause = ({ health: { state, cause } }: ProxySample): Reading =>
  cause !== null && (state === 'down' || state === 'degraded') ? [[{ cause }, 1]] : [];

/** A value of the last probe, with the kind of the probe as its label. */
const probeReading = ({ probe: { type } }: ProxySample, value: number | null): Reading =>
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
  const read = ({ usage }: MonitorSample) => usage && usageOf(usage);
  const name = `${processName}_process`;
  return [
    [`${name}_cpu_seconds_total`, 'counter', 'User and system time.', [], (s) => toSeconds(read(s)?.cpuMs)],
    [`${name}_resident_memory_bytes`, 'gauge', 'Resident memory.', [], (s) => read(s)?.rssBytes],
    [`${name}_open_fds`, 'gauge', 'Open files.', [], (s) => read(s)?.openFiles],
    [`${name}_max_fds`, 'gauge', 'The limit of open files.', [], (s) => read(s)?.openFilesLimit],
  ];
};

/** The metrics of the monitor itself and of PM2, in the order of a scrape. */
export const MONITOR_METRICS: readonly MetricRow<MonitorSample>[] = [
  [
    'build_info',
    'gauge',
    'The running version; always 1.',
    ['version'],
    ({ monitor }) => (monitor ? [[{ version: monitor.version }, 1]] : []),
  ],
  [
    'config_last_reload_success_timestamp_seconds',
    'gauge',
    'The time at which the config was read.',
    [],
    ({ monitor }) => toSeconds(monitor?.startedAt),
  ],
  [
    'last_check_timestamp_seconds',
    'gauge',
    'The oldest of the last checks of the proxies.',
    [],
    ({ monitor }) => toSeconds(monitor?.lastCheckAt),
  ],
  [
    'pm2_up',
    'gauge',
    '1 when the PM2 daemon answers.',
    [],
    ({ monitor }) => monitor && toFlag(monitor.pm2Problem === null),
  ],
  ...processRows('monitor', ({ own }) => own),
  [
    'monitor_event_loop_lag_seconds',
    'gauge',
    'The delay of a turn of its event loop.',
    [],
    ({ usage }) => toSeconds(usage?.lagMs),
  ],
  ...processRows('pm2', ({ pm2 }) => pm2),
  ['notifications_total', 'counter', 'Tries to send a notification.', ['channel', 'outcome'], notifications],
];

/**
 * The metrics of each proxy, in the order of a scrape. The label `proxy` is added to those named here. Counts are those
 * of all processes of a port.
 */
export const PROXY_METRICS: readonly MetricRow<ProxySample>[] = [
  [
    'up',
    'gauge',
    '1 when the proxy serves its port and its upstream answers.',
    [],
    ({ health: { state } }) => toFlag(state === 'up' || state === 'not_needed'),
  ],
  [
    'state',
    'gauge',
    '1 for the state that the proxy is in.',
    ['state'],
    ({ health }) => STATES.map((state) => [{ state }, toFlag(state === health.state)]),
  ],
  ['failure_cause', 'gauge', '1 for the cause of the present failure.', ['cause'], failureCause],
  [
    'limit_warning',
    'gauge',
    '1 for each exceeded limit that only warns.',
    ['cause'],
    ({ health }) => health.warnings.map((cause) => [{ cause }, 1]),
  ],
  [
    'restart_circuit_open',
    'gauge',
    '1 while restarts are paused because earlier ones did not help.',
    [],
    ({ health }) => toFlag(health.breaker.openCount > 0),
  ],
  [
    'consecutive_failures',
    'gauge',
    'Failed checks in a row.',
    [],
    ({ health }) => health.failures.consecutive,
  ],
  ['failures_total', 'counter', 'Failed checks.', [], ({ health }) => health.failures.total],
  [
    'restarts_total',
    'counter',
    'Crashes, and restarts by the monitor.',
    ['cause'],
    ({ health }) => [
      [{ cause: 'crashed' }, health.restarts.crash],
      ...Object.entries(health.forcedByCause).map(([cause, count]) => [{ cause }, count] as const),
    ],
  ],
  [
    'recovery_duration_seconds',
    'histogram',
    'The time from the first failure to the first success.',
    [],
    ({ health }) => health.recoveries,
  ],
  [
    'connections_active',
    'gauge',
    'Connections that have a slot.',
    [],
    ({ connections }) => connections?.active ?? 0,
  ],
  [
    'connections_queued',
    'gauge',
    'Clients that wait, for the upstream or for a slot.',
    ['for'],
    ({ connections }) => [
      [{ for: 'upstream' }, connections?.waitingForUpstream ?? 0],
      [{ for: 'slot' }, connections?.waitingForSlot ?? 0],
    ],
  ],
  [
    'connections_limit',
    'gauge',
    'The maximum number of connections at a time.',
    [],
    ({ connections }) => connections?.maxConnections,
  ],
  ['connections_total', 'counter', 'Connections that were accepted.', [], ({ totals }) => totals.total],
  [
    'connections_closed_total',
    'counter',
    'Connections that have ended.',
    ['reason'],
    (sample) => closedConnections(sample, false),
  ],
  [
    'connections_rejected_total',
    'counter',
    'Clients that were not served.',
    ['reason'],
    (sample) => closedConnections(sample, true),
  ],
  [
    'bytes_total',
    'counter',
    'Bytes that were forwarded.',
    ['side', 'direction'],
    ({ totals: { bytesToUpstream, bytesToClient } }) => [
      [{ side: 'client', direction: 'in' }, bytesToUpstream],
      [{ side: 'client', direction: 'out' }, bytesToClient],
      [{ side: 'upstream', direction: 'in' }, bytesToClient],
      [{ side: 'upstream', direction: 'out' }, bytesToUpstream],
    ],
  ],
  [
    'upstream_connect_failures_total',
    'counter',
    'Failed tries at one address of the upstream.',
    ['reason'],
    ({ totals }) => byLabel('reason', totals.connectFailures),
  ],
  [
    'upstream_connect_duration_seconds',
    'histogram',
    'The duration of each try that reached the upstream.',
    [],
    ({ totals }) => totals.connect,
  ],
  [
    'connection_duration_seconds',
    'histogram',
    'The time from accept to the end of a connection.',
    [],
    ({ totals }) => totals.duration,
  ],
  [
    'probe_success',
    'gauge',
    '1 when the upstream answered its last probe.',
    ['probe'],
    (sample) => probeReading(sample, sample.probe.isOk === null ? null : toFlag(sample.probe.isOk)),
  ],
  [
    'probe_duration_seconds',
    'gauge',
    'The duration of the last successful probe.',
    ['probe'],
    (sample) => probeReading(sample, toSeconds(sample.probe.durationMs)),
  ],
  [
    'probe_last_success_timestamp_seconds',
    'gauge',
    'The time of the last successful probe.',
    ['probe'],
    (sample) => probeReading(sample, toSeconds(sample.probe.lastOkAt)),
  ],
  [
    'process_cpu_seconds_total',
    'counter',
    'User and system time.',
    [],
    ({ totals }) => toSeconds(totals.cpuMs),
  ],
  ['process_resident_memory_bytes', 'gauge', 'Resident memory.', [], ({ resources }) => resources?.rssBytes],
  ['process_open_fds', 'gauge', 'Open files.', [], ({ resources }) => resources?.openFiles],
  ['process_max_fds', 'gauge', 'The limit of open files.', [], ({ resources }) => resources?.openFilesLimit],
  [
    'process_start_time_seconds',
    'gauge',
    'The start of the process.',
    [],
    ({ processStartedAt }) => toSeconds(processStartedAt),
  ],
  [
    'heartbeat_duration_seconds',
    'gauge',
    'The duration of the last answer to the monitor.',
    [],
    ({ resources }) => toSeconds(resources?.lagMs),
  ],
];
