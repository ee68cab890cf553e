import type { MonitorConfig, ProxyConfig } from '../config/config.ts';
import type { ProcessList } from '../pm2/process-list.ts';
import { createDebug } from '../system/debug.ts';
import type { CheckReport, EvidenceCollector } from './checks/collect.ts';
import { createRestartWait, pm2EvidenceOf, pm2StatusTextOf } from './checks/pm2.ts';
import type { CheckMode } from './checks/proxy.ts';
import type { ProxyRecord } from './health-store.ts';

/** The result of one check, with the parts to store. Times are wall-clock milliseconds. */
export interface CheckResult {
  readonly startedAt: number;
  readonly endedAt: number;
  readonly report: CheckReport;
  /** The PM2 daemon that has the app in its list; null when none has it. */
  readonly daemonPid: number | null;
  /** The app's status by PM2, in words; null while PM2's answer is pending. */
  readonly pm2StatusText: string | null;
}

export interface CheckRunnerDeps {
  readonly monitor: Pick<MonitorConfig, 'intervalMs' | 'fastIntervalMs'>;
  readonly listPm2: ProcessList['get'];
  /** False while this process has too few open files to look. Default: always true. */
  canLook?(): boolean;
}

/** Runs one check of a proxy at a time: PM2's list first, then the evidence collector. It stores nothing. */
export interface CheckRunner {
  /**
   * @param record the proxy's stored record
   * @param listNotBefore the instant (performance.now()) before which PM2's list is out of date
   */
  check(mode: CheckMode, record: ProxyRecord, listNotBefore: number): Promise<CheckResult>;
}

const debug = createDebug('check');

export const createCheckRunner = (
  proxy: ProxyConfig,
  { monitor, listPm2, canLook = () => true }: CheckRunnerDeps,
  collector: EvidenceCollector,
): CheckRunner => {
  const restartWait = createRestartWait();
  return {
    check: async (mode, record, listNotBefore) => {
      const startedAt = Date.now();
      debug('%s: begins %j', proxy.name, mode);
      const maxAgeMs = (mode.isUrgent ? monitor.fastIntervalMs : monitor.intervalMs) / 2;
      const view = await listPm2(maxAgeMs, listNotBefore);
      const app = view.ok ? view.apps.get(proxy.name) : undefined;
      const couldLook = canLook();
      const status = restartWait(pm2EvidenceOf(view, app, record), app?.pid ?? null);
      const looked = await collector.collect({ status, app }, mode);
      const report = couldLook && canLook() ? looked : withoutFiles(looked);
      const endedAt = Date.now();
      const { evidence, isProbed, pid, detail } = report;
      debug('%s: ends after %d ms %j', proxy.name, endedAt - startedAt, {
        pid,
        isProbed,
        detail,
        ...evidence,
      });
      return {
        startedAt,
        endedAt,
        report,
        daemonPid: view.ok && app ? view.daemonPid : null,
        pm2StatusText: pm2StatusTextOf(view, app),
      };
    },
  };
};

const withoutFiles = (report: CheckReport): CheckReport => ({
  ...report,
  evidence: { ...report.evidence, monitor: 'out_of_files' },
});
