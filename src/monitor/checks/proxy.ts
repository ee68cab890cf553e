import type { MonitorConfig } from '../../config/config.ts';
import type { Evidence, Pm2Evidence } from '../../health/types.ts';
import type { Heartbeat, HeartbeatResult } from '../../ipc/heartbeat.ts';
import type { Pm2App } from '../../pm2/client.ts';
import type { Binding, ProxyReport } from '../../proxy/report.ts';
import { createStarvationDetector } from '../../system/proc/cpu-starvation.ts';
import { readProcessState } from '../../system/proc/process-state.ts';
import { readProcess } from '../../system/proc/procfs.ts';
import { type AcceptResult, createAcceptCheck } from './accept.ts';
import { quickCheck } from './quick.ts';

/** What a proxy itself answered. */
export interface ProxyCheckResult extends Pick<Evidence, 'heartbeat' | 'accepts'> {
  readonly pid: number | null;
  readonly report: ProxyReport | null;
  /** What the answer took; null without one. */
  readonly heartbeatMs: number | null;
  /** Where it listens; nowhere when it is leaving. */
  readonly boundAddresses: readonly Binding[];
  readonly acceptResult: AcceptResult;
}

export interface CheckMode {
  /** Something is wrong, or on its way: every check is due, and answers are waited for less. */
  readonly isUrgent: boolean;
  /** A glance has found it silent: its own checks are due, and answers are waited for less. */
  readonly triggeredByQuickCheck: boolean;
  /** The monitor came late to this look. */
  readonly isLate: boolean;
}

export interface ProxyChecks {
  run(status: Pm2Evidence, app: Pm2App | undefined, mode: CheckMode): Promise<ProxyCheckResult>;
  /** Whether there is reason to look at once; nothing is asked of one that did not answer the last time. */
  quickCheck(): Promise<boolean>;
}

/**
 * A healthy proxy answers on its control socket, and accepts, in a few milliseconds. One that has just not done so is
 * asked again, and waited for less.
 */
const [NORMAL_TIMEOUT_MS, SHORT_TIMEOUT_MS] = [300, 200];

/** Asks a proxy how it is, and whether it accepts. Its silence is excused where it, or the monitor, gets no CPU. */
export const createProxyChecks = (heartbeat: Heartbeat, monitor: MonitorConfig): ProxyChecks => {
  const acceptCheck = createAcceptCheck(heartbeat, monitor.probeIntervalMs);
  /** Since when it has been silent, or not accepting; undefined while it is not. */
  let silentAt: number | undefined;
  let lastReport: ProxyReport | null = null;
  /** The process that reported last; the pid alone may be another's by now. */
  let lastReporter: { readonly pid: number; readonly startTicks: number | undefined } | undefined;

  /** As PM2 has it; while PM2 does not tell, that of the last report, if it is the same process still. */
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
      const { state, report, durationMs } = isUnableToAnswer(status, listedPid)
        ? NOT_ASKED
        : await heartbeat.beat(timeoutMs);
      lastReport = report;
      if (report && report.pid !== lastReporter?.pid)
        lastReporter = { pid: report.pid, startTicks: readProcess(report.pid)?.startTicks };
      // Of what PM2 is stopping nothing more is asked: its sockets are closed, or soon will be.
      const boundAddresses = status === 'stopping' ? [] : boundAddressesOf(report);
      const acceptResult = await acceptCheck.check(boundAddresses, isDoubtful, timeoutMs);
      const isSilent = state === 'silent' || acceptResult.state === 'failed';
      silentAt = isSilent ? (silentAt ?? performance.now()) : undefined;
      const isExcused = silentAt !== undefined && isStarved(performance.now() - silentAt);
      return {
        ...{ report, heartbeatMs: durationMs, boundAddresses, acceptResult, pid: report?.pid ?? listedPid },
        heartbeat: isExcused && state === 'silent' ? 'unknown' : state,
        accepts: isExcused ? 'unknown' : acceptResult.state,
      };
    },
    quickCheck: async () =>
      lastReport !== null &&
      quickCheck(heartbeat, lastReport.pid, boundAddressesOf(lastReport), monitor.fastIntervalMs),
  };
};

/** There is nobody, or a process that is stopped by a signal: to wait for its answer would only take time. */
const isUnableToAnswer = (status: Pm2Evidence, pid: number | null): boolean =>
  ['deleted', 'stopped', 'gave_up'].includes(status) || readProcessState(pid) === 'stopped';

const boundAddressesOf = (report: ProxyReport | null): readonly Binding[] =>
  (report?.bindings ?? []).filter(({ state }) => state === 'bound');

const NOT_ASKED: HeartbeatResult = { state: 'unknown', report: null, durationMs: null };
