import { MONITOR_APP } from '../config/app-names.ts';
import type { Config } from '../config/config.ts';
import { reduce } from '../health/reducer.ts';
import { createHealth } from '../health/state.ts';
import { formatAddress } from '../lib/address.ts';
import { createPm2 } from '../pm2/client.ts';
import { describeMonitorProblem, type UnresponsiveMonitor } from '../status/monitor-problem.ts';
import { PM2_NOT_LISTED, PM2_NOT_REACHABLE, type Snapshot } from '../status/snapshot.ts';
import { ownerOf } from '../system/proc/port-owner.ts';
import { readProcess } from '../system/proc/procfs.ts';
import { findUnixListener } from '../system/proc/socket-table.ts';
import type { StateDir } from '../system/state-dir.ts';
import { createEvidenceCollector } from './checks/collect.ts';
import { loadHealth } from './health-store.ts';
import { pm2EvidenceOf } from './pm2-evidence.ts';
import { describeProxy } from './snapshot.ts';

/**
 * What can be said without the monitor: PM2's list, one look of its own at every port, and the counters as last kept.
 * @param isSilent there is a monitor, and it does not answer
 */
export const checkWithoutMonitor = async (
  config: Config,
  stateDir: StateDir,
  pm2Home: string,
  isSilent: boolean,
): Promise<Snapshot> => {
  const pm2 = createPm2(pm2Home);
  const view = await pm2.list();
  pm2.close();
  const records = loadHealth(stateDir.monitorStateFile, config.proxies);
  // One look decides: there will be no second one to confirm it.
  const monitorPolicy = { ...config.monitor, failureThreshold: 1, successThreshold: 1 };
  const proxies = await Promise.all(
    config.proxies.map(async (proxy) => {
      const app = view.ok ? view.apps.get(proxy.name) : undefined;
      const record = records.get(proxy.id) ?? { health: createHealth(0), daemonPid: null };
      const status = pm2EvidenceOf(view, app, record);
      const collector = createEvidenceCollector(proxy, config.monitor, stateDir.portFiles(proxy.id).socket, {
        onStopping: () => {},
        onEnd: () => {},
        onProbeResult: () => {},
        onReport: () => {},
      });
      const checkReport = await collector.collect(
        { status, app },
        { isUrgent: true, triggeredByQuickCheck: false, isLate: false },
      );
      collector.close();
      const health = { ...record.health, graceEndsAt: 0 };
      const event = {
        kind: 'check',
        at: Date.now(),
        pid: checkReport.pid,
        evidence: checkReport.evidence,
        isProbed: true,
      } as const;
      const healthPolicy = {
        ...monitorPolicy,
        place: proxy.place,
        upstream: formatAddress(proxy.upstream),
        optional: proxy.optional,
        restartsPaused: false,
      };
      const { state, cause, since } = reduce(health, event, healthPolicy).health;
      const statusText = view.ok ? (app?.statusText ?? PM2_NOT_LISTED) : PM2_NOT_REACHABLE;
      return describeProxy(
        proxy,
        { ...health, state, cause, since },
        checkReport,
        { statusText, ending: null },
        config.monitor.failureThreshold,
      );
    }),
  );
  const listedPid = view.ok ? view.apps.get(MONITOR_APP)?.pid : undefined;
  const monitorProblem = isSilent ? describeMonitorProblem(findMonitor(stateDir, listedPid ?? null)) : null;
  return { version: 1, generatedAt: Date.now(), monitor: null, monitorProblem, proxies, log: [] };
};

/** Who has its socket; who PM2 says it is, where that may not be looked at. */
const findMonitor = ({ monitorSocket }: StateDir, listedPid: number | null): UnresponsiveMonitor => {
  const socket = findUnixListener(monitorSocket);
  const pid = (socket && ownerOf(socket).pid) ?? listedPid;
  return { pid, state: (pid === null ? undefined : readProcess(pid)?.state) ?? null };
};
