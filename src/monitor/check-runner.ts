import type { ProxyConfig } from '../config/config.ts';
import { PENDING, type Pm2View } from '../pm2/client.ts';
import type { ProcessList } from '../pm2/process-list.ts';
import { PM2_NOT_LISTED, PM2_NOT_REACHABLE } from '../status/snapshot.ts';
import { removeStalePidFile } from '../system/pid-file.ts';
import type { StateDir } from '../system/state-dir.ts';
import type { CheckReport, EvidenceCollector } from './checks/collect.ts';
import type { CheckMode } from './checks/proxy.ts';
import type { EventDebouncer } from './pm2-events.ts';
import { pm2EvidenceOf } from './pm2-evidence.ts';
import type { Recovery, RecoveryDeps } from './recovery.ts';

export interface CheckRunnerDeps extends Pick<RecoveryDeps, 'monitor' | 'log'> {
  readonly files: ReturnType<StateDir['portFiles']>;
  readonly listPm2: ProcessList['get'];
}

/** One look after the other at one proxy, and what the last one saw. */
export interface CheckRunner {
  /** Settles when what follows from it is done. */
  check(mode: CheckMode): Promise<void>;
  /** The control connection has ended: what a look that is underway has seen is the process before. */
  onConnectionEnd(): void;
  /** A look that is underway leads to nothing. */
  stop(): void;
  lastCheck(): CheckReport | undefined;
  /** When the upstream was last found well, by the wall clock; null: never yet. */
  upstreamOkAt(): number | null;
  /** What PM2 said of it last. */
  pm2StatusText(): string;
  lastCheckAt(): number;
}

/** A look: PM2's list and the witness's evidence → the treatment. */
export const createCheckRunner = (
  proxy: ProxyConfig,
  { monitor, files, log, listPm2 }: CheckRunnerDeps,
  collector: EvidenceCollector,
  recovery: Recovery,
  debouncer: EventDebouncer,
): CheckRunner => {
  let lastCheck: CheckReport | undefined;
  let pm2StatusText = 'unknown';
  let lastCheckAt = Date.now();
  let upstreamOkAt: number | null = null;
  let isStopped = false;
  /** How often the control connection has ended. */
  let connectionEnds = 0;

  /** Undefined when it is not worth anything any more. */
  const collect = async (mode: CheckMode): Promise<CheckReport | undefined> => {
    const maxAgeMs = (mode.isUrgent ? monitor.fastIntervalMs : monitor.intervalMs) / 2;
    await debouncer.whenStable();
    // In the middle of a restart PM2 has the app as one that somebody stopped.
    const view = await listPm2(maxAgeMs, Math.max(recovery.lastActionAt(), debouncer.stableAt()));
    const app = view.ok ? view.apps.get(proxy.name) : undefined;
    pm2StatusText = statusTextOf(view, proxy.name) ?? pm2StatusText;
    const status = pm2EvidenceOf(view, app, recovery.record());
    if (view.ok && app) recovery.setDaemonPid(view.daemonPid);
    const endsBeforeCheck = connectionEnds;
    const checkReport = await collector.collect({ status, app }, mode);
    // It answered, and has gone since: what was seen is the process before.
    const isOutdated = checkReport.evidence.heartbeat === 'ok' && connectionEnds !== endsBeforeCheck;
    if (!isStopped) lastCheckAt = Date.now();
    return isStopped || isOutdated ? undefined : checkReport;
  };

  return {
    check: async (mode) => {
      const checkReport = await collect(mode);
      if (!checkReport) return;
      lastCheck = checkReport;
      if (checkReport.isProbed && checkReport.evidence.upstream === 'ok') upstreamOkAt = lastCheckAt;
      const { pid, evidence, isProbed } = checkReport;
      if (removeStalePidFile(files.pidFile, pid))
        log('stale_pid', `Stale PID file found for ${proxy.place}, removing...`, { proxy: proxy.name });
      await recovery.handle({ kind: 'check', at: lastCheckAt, pid, evidence, isProbed });
    },
    onConnectionEnd: () => {
      connectionEnds += 1;
    },
    stop: () => {
      isStopped = true;
    },
    lastCheck: () => lastCheck,
    upstreamOkAt: () => upstreamOkAt,
    pm2StatusText: () => pm2StatusText,
    lastCheckAt: () => lastCheckAt,
  };
};

/** What PM2 says of an app, for people; undefined while that is still being waited for. */
const statusTextOf = (view: Pm2View, name: string): string | undefined => {
  if (view.ok) return view.apps.get(name)?.statusText ?? PM2_NOT_LISTED;
  return view.problem === PENDING ? undefined : PM2_NOT_REACHABLE;
};
