import type { ProxyView } from '../alerting/policy/proxy-view.ts';
import type { ProxyConfig } from '../config/config.ts';
import { isListenFault } from '../health/causes.ts';
import { isCrashLoop } from '../health/reducer.ts';
import { NO_SAMPLES, usageOf } from '../health/resource-limits.ts';
import { type Health, uptimeOf } from '../health/state.ts';
import type { Cause } from '../health/types.ts';
import { schemeOf } from '../kinds/probes/registry.ts';
import { formatAddress, ipFamily, isLoopback } from '../lib/address.ts';
import { isRefusal } from '../lib/close-reason.ts';
import { bindAddresses, formatListenSpec, sharesPort } from '../lib/listen-spec.ts';
import { printable } from '../lib/printable.ts';
import type { ProxyMetrics } from '../metrics/sample.ts';
import type { ProxyReport } from '../proxy/report.ts';
import type { CheckDetails } from '../status/evidence.ts';
import type { DisabledProxy, ProxyStatus } from '../status/snapshot.ts';
import { localAddresses } from '../system/proc/network-interfaces.ts';
import { formatPortOwner } from '../system/proc/port-owner.ts';
import type { CheckResult } from './check-runner.ts';
import type { CheckReport } from './checks/collect.ts';

/** The state of an app by PM2, in words. */
interface Pm2Description {
  readonly statusText: string;
  /** The end of the process; null when PM2 did not report it. */
  readonly ending: string | null;
}

export const describeDisabled = ({ name, id, listen, label }: ProxyConfig): DisabledProxy => ({
  name,
  id,
  port: portOf(listen),
  label,
});

/** Null for a unix socket. */
const portOf = ({ port }: ProxyConfig['listen']): number | null => port || null;

/** Makes the status of a proxy. Without a check report it contains only the facts of the config and the record. */
export const describeProxy = (
  proxy: ProxyConfig,
  health: Health,
  checkReport: CheckReport | undefined,
  { statusText: pm2, ending }: Pm2Description,
  failureThreshold: number,
): ProxyStatus => {
  const { state, cause, since, failures, restarts, recovery } = health;
  const report = checkReport?.proxyReport ?? null;
  const boundAddresses = report?.bindings.filter((binding) => binding.state === 'bound') ?? [];
  const checkedAddress = checkReport?.checkedAddress;
  return {
    name: proxy.name,
    id: proxy.id,
    port: portOf(proxy.listen),
    label: proxy.label,
    listen: boundAddresses.length > 0 ? boundAddresses.map(formatAddress) : [formatListenSpec(proxy.listen)],
    upstream: formatAddress(proxy.upstream),
    optional: proxy.optional,
    allow: proxy.allow,
    state,
    cause,
    since,
    detail: cause === null ? null : detailOf(cause, checkReport, ending),
    pid: checkReport ? pidOf(checkReport) : health.pid,
    pm2,
    engine: report?.engine ?? null,
    engineReason: report?.engineReason ? printable(report.engineReason, MAX_REASON_LENGTH) : null,
    restarts,
    failures,
    failureThreshold,
    recovery: {
      count: recovery.count,
      lastMs: recovery.lastMs,
      meanMs: recovery.count === 0 ? 0 : Math.round(recovery.totalMs / recovery.count),
    },
    uptimePercent: uptimePercentOf(health, Date.now()),
    incidents: incidentsOf(health),
    warnings: health.warnings.map((warning) => checkReport?.explain(warning) ?? warning),
    usage: checkReport?.usage ?? usageOf(NO_SAMPLES),
    nextRestartAt: health.breaker.openCount > 0 ? health.breaker.nextRestartAt : null,
    connections: { active: report?.connections.active ?? 0, total: report?.connections.total ?? 0 },
    refusals: refusalsOf(report),
    checkMs: checkReport?.probeMs ?? null,
    listenProblem: checkReport?.listenProblem ?? null,
    listenAdvice: checkReport?.listenAdvice ?? null,
    startAdvice: checkReport?.startAdvice ?? null,
    portOwner: portOwnerOf(checkReport),
    sharesPort: sharesPort(proxy.listen, proxy.upstream),
    urls: urlsOf(
      proxy,
      report?.bindings.every((binding) => binding.state === 'not_needed')
        ? bindAddresses({ kind: 'external', port: proxy.listen.port }, proxy.upstream, localAddresses())
        : boundAddresses,
    ),
    answersOnOwnAddress:
      checkedAddress && !isLoopback(checkedAddress.host) ? checkReport.evidence.accepts === 'ok' : null,
  };
};

const MAX_REASON_LENGTH = 500;

/** Makes the view of a proxy for the alerts. */
export const alertViewOf = (
  { name, label, place, listen, upstream, alerts }: ProxyConfig,
  health: Health,
  checkReport: CheckReport | undefined,
  failuresBefore: number,
  ending: string | null,
  host: string,
  supervisionCure: string | null,
): ProxyView => ({
  host,
  name,
  label,
  place,
  health,
  isChecked: checkReport?.evidence.monitor === 'in_time',
  hasFailed: health.failures.total > failuresBefore,
  upstream: formatAddress(upstream),
  afterMs: alerts.afterMs ?? null,
  detail: health.cause === null ? null : detailOf(health.cause, checkReport, ending),
  portOwner: portOwnerOf(checkReport),
  sharesPort: sharesPort(listen, upstream),
  listenAdvice: checkReport?.listenAdvice ?? null,
  startAdvice: checkReport?.startAdvice ?? null,
  supervisionCure,
  limits: Object.fromEntries(
    health.warnings.flatMap((cause) => {
      const text = checkReport?.explain(cause);
      return text ? [[cause, text]] : [];
    }),
  ),
});

/** Makes the facts of a proxy for the metrics. */
export const proxyMetricsOf = (
  proxy: ProxyConfig,
  health: Health,
  checkReport: CheckReport | undefined,
  upstreamOkAt: number | null,
  checkErrors: number,
): Omit<ProxyMetrics, 'totals'> => {
  const upstream = checkReport?.evidence.upstream ?? 'unknown';
  return {
    proxy: proxy.name,
    health,
    checkErrors,
    connections: checkReport?.proxyReport?.connections ?? null,
    processStartedAt: checkReport?.proxyReport?.startedAt ?? null,
    resources: checkReport?.resourceSample ?? null,
    probe: {
      type: proxy.probe.type,
      isOk: upstream === 'unknown' ? null : upstream === 'ok',
      durationMs: checkReport?.probeMs ?? null,
      lastOkAt: upstreamOkAt,
    },
  };
};

/** Describes a check for `steadyport status --evidence`. */
export const describeCheck = (
  proxy: ProxyConfig,
  health: Health,
  { startedAt, endedAt, report }: CheckResult,
): CheckDetails => ({
  startedAt,
  durationMs: Math.max(0, endedAt - startedAt),
  pid: report.pid,
  evidence: { ...report.evidence, crashes: isCrashLoop(health, endedAt) ? 'loop' : 'few' },
  probe: {
    type: proxy.probe.type,
    isNew: report.isProbed,
    durationMs: report.probeMs,
    detail: report.detail,
  },
  usage: report.usage,
});

/** The shortest time of observation of which an uptime is given: a second of a start would be a share that means nothing. */
const MIN_UPTIME_MS = 600_000;

const uptimePercentOf = (health: Health, now: number): number | null =>
  now - health.firstCheckAt < MIN_UPTIME_MS ? null : Math.round(uptimeOf(health, now) * 100_000) / 1_000;

const refusalsOf = (report: ProxyReport | null): ProxyStatus['refusals'] => ({
  byReason: Object.fromEntries(
    Object.entries(report?.connections.byReason ?? {}).filter(([reason]) => isRefusal(reason)),
  ),
  lastNotAllowed: report?.lastNotAllowed ?? null,
});

const portOwnerOf = (checkReport: CheckReport | undefined): string | null => {
  const owner = checkReport?.proxyReport?.bindings.find(({ state }) => state === 'in_use')?.portOwner;
  return owner ? formatPortOwner(owner) : null;
};

/** Explains the state. For a crash it is the end of the process, since a check finds out nothing about a process that is gone. */
const detailOf = (
  cause: Cause,
  checkReport: CheckReport | undefined,
  ending: string | null,
): string | null => {
  if (cause === 'crashed' || cause === 'crash_loop') return ending;
  if (cause === 'cannot_start') return checkReport?.startProblem ?? null;
  if (isListenFault(cause)) return checkReport?.listenProblem ?? null;
  return checkReport?.explain(cause) ?? checkReport?.detail ?? null;
};

/** The pid of a process that is gone serves only to count its crash, so it is not shown. */
const pidOf = ({ pid, evidence }: CheckReport): number | null =>
  ['gone', 'zombie'].includes(evidence.process) ? null : pid;

const incidentsOf = ({ history, incident }: Health): ProxyStatus['incidents'] => {
  const pastIncidents = history.map(({ startedAt, endedAt, cause, actions }) => ({
    startedAt,
    endedAt,
    cause,
    actions,
  }));
  return incident
    ? [
        ...pastIncidents,
        { startedAt: incident.startedAt, endedAt: null, cause: incident.cause, actions: incident.actions },
      ]
    : pastIncidents;
};

/** The URLs to open from another machine; the scheme is that of the probe's kind. Link-local addresses are left out. */
const urlsOf = (
  { probe, listen: { port } }: ProxyConfig,
  boundAddresses: readonly { readonly host: string }[],
): string[] => {
  const scheme = schemeOf(probe);
  const externalHosts = localAddresses().filter((host) => !isLoopback(host) && !host.includes('%'));
  const reachableHosts = externalHosts.filter((host) =>
    boundAddresses.some(
      (address) =>
        address.host === host || (isWildcard(address.host) && ipFamily(address.host) === ipFamily(host)),
    ),
  );
  return reachableHosts.map((host) => `${scheme}://${formatAddress({ host, port })}`);
};

const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::';
