import type { MonitorConfig, ProxyConfig } from '../../config/config.ts';
import type { Evidence, Pm2Evidence } from '../../health/types.ts';
import type { Heartbeat, HeartbeatResult } from '../../ipc/heartbeat.ts';
import { bindAddresses } from '../../lib/listen-spec.ts';
import type { Pm2App } from '../../pm2/client.ts';
import type { Binding, ProxyReport } from '../../proxy/report.ts';
import { createStarvationDetector } from '../../system/proc/cpu-starvation.ts';
import { localAddresses } from '../../system/proc/network-interfaces.ts';
import { readProcessState } from '../../system/proc/process-state.ts';
import { processStartedAt, readProcess } from '../../system/proc/procfs.ts';
import { type AcceptResult, checkAcceptUnasked, createAcceptCheck } from './accept.ts';
import { quickCheck } from './quick.ts';

/** A proxy's own answers to one check. */
export interface ProxyCheckResult extends Pick<Evidence, 'heartbeat' | 'accepts'> {
  readonly pid: number | null;
  readonly report: ProxyReport | null;
  /** The time that the answer took, in milliseconds; null without one. */
  readonly responseMs: number | null;
  /** The addresses that it listens on; empty when PM2 is stopping it. */
  readonly boundAddresses: readonly Binding[];
  readonly acceptResult: AcceptResult;
}

export interface CheckMode {
  /** True when something is wrong, or about to change: every part of the check is due, and the time-out is shorter. */
  readonly isUrgent: boolean;
  /** True when a quick check has found the proxy silent: the proxy's own checks are due, and the time-out is shorter. */
  readonly triggeredByQuickCheck: boolean;
  /** True when the monitor began this check late. */
  readonly isLate: boolean;
}

export interface ProxyChecks {
  run(status: Pm2Evidence, app: Pm2App | undefined, mode: CheckMode): Promise<ProxyCheckResult>;
  /** True when there is reason to check at once. A proxy that did not answer the last time is not asked. */
  quickCheck(): Promise<boolean>;
}

/** A healthy proxy answers on its control socket, and accepts, in a few milliseconds. */
const NORMAL_TIMEOUT_MS = 300;
/** The time-out for a proxy that has just not answered, and is asked again. */
const SHORT_TIMEOUT_MS = 200;

/**
 * Asks a proxy for its report, and checks whether it accepts. Silence does not count while the proxy, or the monitor,
 * gets no CPU.
 */
export const createProxyChecks = (
  proxy: Pick<ProxyConfig, 'listen' | 'upstream'>,
  heartbeat: Heartbeat,
  monitor: MonitorConfig,
): ProxyChecks => {
  const acceptCheck = createAcceptCheck(heartbeat, monitor.probeIntervalMs);
  /** The instant since which the proxy has been silent, or not accepting; undefined while it is neither. */
  let silentAt: number | undefined;
  let lastReport: ProxyReport | null = null;
  /** The process that reported last. Its pid alone is not enough: another process may have it by now. */
  let lastReporter: { readonly pid: number; readonly startTicks: number | undefined } | undefined;

  /** The pid in PM2's list. While PM2 does not answer it is that of the last report, if that is still the same process. */
  const pidOf = (status: Pm2Evidence, app: Pm2App | undefined): number | null => {
    if (app?.pid || status !== 'unknown' || !lastReporter) return app?.pid ?? null;
    const current = readProcess(lastReporter.pid);
    return current === undefined || current.startTicks === lastReporter.startTicks ? lastReporter.pid : null;
  };

  return {
    run: async (status, app, { isUrgent, triggeredByQuickCheck }) => {
      const listedPid = pidOf(status, app);
      const isDoubtful = isUrgent || triggeredByQuickCheck;
      const timeoutMs = isDoubtful ? SHORT_TIMEOUT_MS : NORMAL_TIMEOUT_MS;
      const isStarved = createStarvationDetector(listedPid);
      const { state, report, responseMs } = isUnableToAnswer(status, listedPid)
        ? NOT_ASKED
        : await heartbeat.beat(timeoutMs);
      lastReport = report;
      if (report && report.pid !== lastReporter?.pid)
        lastReporter = { pid: report.pid, startTicks: readProcess(report.pid)?.startTicks };
      // The listening sockets of a proxy that PM2 is stopping are closed, or soon will be.
      const boundAddresses = status === 'stopping' ? [] : boundAddressesOf(report);
      const acceptResult =
        state === 'unreachable' && !hasJustStarted(listedPid)
          ? await checkAcceptUnasked(listedPid, listenAddressesOf(proxy), timeoutMs)
          : await acceptCheck.check(boundAddresses, isDoubtful, timeoutMs);
      // Where no process is known, none is slow: nobody listens.
      const isKnown = listedPid !== null || report !== null;
      const isSilent = state === 'silent' || (acceptResult.state === 'failed' && isKnown);
      silentAt = isSilent ? (silentAt ?? performance.now()) : undefined;
      const isExcused = silentAt !== undefined && isStarved(performance.now() - silentAt);
      return {
        pid: report?.pid ?? listedPid,
        report,
        responseMs,
        boundAddresses,
        acceptResult,
        heartbeat: isExcused && state === 'silent' ? 'unknown' : state,
        accepts: isExcused ? 'unknown' : acceptResult.state,
      };
    },
    quickCheck: async () =>
      lastReport !== null &&
      quickCheck(heartbeat, lastReport.pid, boundAddressesOf(lastReport), monitor.fastIntervalMs),
  };
};

/** True when no process can answer, so that a wait is useless: none runs, or it is stopped by a signal. */
const isUnableToAnswer = (status: Pm2Evidence, pid: number | null): boolean =>
  ['deleted', 'stopped', 'gave_up'].includes(status) || readProcessState(pid) === 'stopped';

/** A proxy listens before it has its control socket; for as long it is not disturbed by a connection that it takes for a client's. */
const START_MS = 3_000;

const hasJustStarted = (pid: number | null): boolean =>
  pid !== null && Math.abs(Date.now() - (processStartedAt(pid) ?? 0)) < START_MS;

const listenAddressesOf = ({ listen, upstream }: Pick<ProxyConfig, 'listen' | 'upstream'>) =>
  bindAddresses(listen, upstream, localAddresses());

const boundAddressesOf = (report: ProxyReport | null): readonly Binding[] =>
  (report?.bindings ?? []).filter(({ state }) => state === 'bound');

const NOT_ASKED: HeartbeatResult = { state: 'unknown', report: null, responseMs: null };
