import type { MonitorConfig } from '../../config/config.ts';
import type { Evidence, Pm2Evidence } from '../../health/types.ts';
import type { Beat, Heartbeat } from '../../ipc/heartbeat.ts';
import type { Pm2App } from '../../pm2/client.ts';
import type { Binding, ProxyReport } from '../../proxy/report.ts';
import { watchStarvation } from '../../system/proc/cpu-starvation.ts';
import { processState } from '../../system/proc/process-state.ts';
import { readProcess } from '../../system/proc/procfs.ts';
import { type Accepted, createAcceptCheck } from './accept.ts';
import { glance } from './quick.ts';

/** What a proxy itself answered. */
export interface Answers extends Pick<Evidence, 'heartbeat' | 'accepts'> {
  readonly pid: number | null;
  readonly report: ProxyReport | null;
  /** What the answer took; null without one. */
  readonly lagMs: number | null;
  /** Where it listens; nowhere when it is leaving. */
  readonly bound: readonly Binding[];
  readonly accepted: Accepted;
}

export interface Manner {
  /** Something is wrong, or on its way: every check is due, and answers are waited for less. */
  readonly eager: boolean;
  /** A glance has found it silent: its own checks are due, and answers are waited for less. */
  readonly hurried: boolean;
  /** The monitor came late to this look. */
  readonly late: boolean;
}

export interface Questioning {
  ask(status: Pm2Evidence, app: Pm2App | undefined, manner: Manner): Promise<Answers>;
  /** Whether there is reason to look at once; nothing is asked of one that did not answer the last time. */
  glance(): Promise<boolean>;
}

/**
 * A healthy proxy answers on its control socket, and accepts, in a few milliseconds. One that has just not done so is
 * asked again, and waited for less.
 */
const [TIMEOUT_MS, NEXT_TIMEOUT_MS] = [300, 200];

/** Asks a proxy how it is, and whether it accepts. Its silence is excused where it, or the monitor, gets no CPU. */
export const createQuestioning = (heartbeat: Heartbeat, monitor: MonitorConfig): Questioning => {
  const acceptCheck = createAcceptCheck(heartbeat, monitor.probeIntervalMs);
  /** Since when it has been silent, or not accepting; undefined while it is not. */
  let silentAt: number | undefined;
  let last: ProxyReport | null = null;
  /** The process that reported last; the pid alone may be another's by now. */
  let reporter: { readonly pid: number; readonly startTicks: number | undefined } | undefined;

  /** As PM2 has it; while PM2 does not tell, that of the last report, if it is the same process still. */
  const pidOf = (status: Pm2Evidence, app: Pm2App | undefined): number | null => {
    if (app?.pid || status !== 'unknown' || !reporter) return app?.pid ?? null;
    const now = readProcess(reporter.pid);
    return now === undefined || now.startTicks === reporter.startTicks ? reporter.pid : null;
  };

  return {
    ask: async (status, app, { eager, hurried }) => {
      const listed = pidOf(status, app);
      const isDoubted = eager || hurried;
      const timeoutMs = isDoubted ? NEXT_TIMEOUT_MS : TIMEOUT_MS;
      const isStarved = watchStarvation(listed);
      const { state, report, lagMs } = isMute(status, listed) ? NOT_ASKED : await heartbeat.beat(timeoutMs);
      last = report;
      if (report && report.pid !== reporter?.pid)
        reporter = { pid: report.pid, startTicks: readProcess(report.pid)?.startTicks };
      // Of what PM2 is stopping nothing more is asked: its sockets are closed, or soon will be.
      const bound = status === 'stopping' ? [] : boundOf(report);
      const accepted = await acceptCheck.look(bound, isDoubted, timeoutMs);
      const isSilent = state === 'silent' || accepted.state === 'failed';
      silentAt = isSilent ? (silentAt ?? performance.now()) : undefined;
      const isExcused = silentAt !== undefined && isStarved(performance.now() - silentAt);
      return {
        ...{ report, lagMs, bound, accepted, pid: report?.pid ?? listed },
        heartbeat: isExcused && state === 'silent' ? 'unknown' : state,
        accepts: isExcused ? 'unknown' : accepted.state,
      };
    },
    glance: async () => last !== null && glance(heartbeat, last.pid, boundOf(last), monitor.fastIntervalMs),
  };
};

/** There is nobody, or a process that is stopped by a signal: to wait for its answer would only take time. */
const isMute = (status: Pm2Evidence, pid: number | null): boolean =>
  ['deleted', 'stopped', 'gave_up'].includes(status) || processState(pid) === 'stopped';

const boundOf = (report: ProxyReport | null): readonly Binding[] =>
  (report?.bindings ?? []).filter(({ state }) => state === 'bound');

const NOT_ASKED: Beat = { state: 'unknown', report: null, lagMs: null };
