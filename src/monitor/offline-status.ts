import type { Config, ProxyConfig } from '../config/config.ts';
import type { Project } from '../config/project/project.ts';
import { reduce } from '../health/reducer.ts';
import { createHealth } from '../health/state.ts';
import { createPm2, type Pm2App, type Pm2View } from '../pm2/client.ts';
import type { CheckDetails, EvidenceByProxy } from '../status/evidence.ts';
import { describeMonitorProblem, type UnresponsiveMonitor } from '../status/monitor-problem.ts';
import { PM2_NOT_REACHABLE, type ProxyStatus, SNAPSHOT_VERSION, type Snapshot } from '../status/snapshot.ts';
import { ownerOf } from '../system/proc/port-owner.ts';
import { readProcessState } from '../system/proc/process-state.ts';
import { readProcess } from '../system/proc/procfs.ts';
import { findUnixListener } from '../system/proc/socket-table.ts';
import { locateStateDir, type StateDir } from '../system/state-dir.ts';
import { createCheckRunner } from './check-runner.ts';
import { createEvidenceCollector } from './checks/collect.ts';
import { createStartCheck } from './checks/start.ts';
import { loadHealth, type ProxyRecord } from './health-store.ts';
import { healthPolicyOf } from './proxy-monitor.ts';
import { describeCheck, describeDisabled, describeProxy } from './snapshot.ts';

export interface OfflineStatus {
  readonly snapshot: Snapshot;
  readonly evidence: EvidenceByProxy;
}

/**
 * Makes the status without the monitor: from PM2's list, one check of its own of every port, and the records as last stored.
 * It stores nothing.
 * @param isSilent there is a monitor, and it does not answer
 */
export const checkWithoutMonitor = async (
  config: Config,
  project: Project,
  pm2Home: string,
  isSilent: boolean,
): Promise<OfflineStatus> => {
  const stateDir = locateStateDir(project.stateDir);
  const pm2 = createPm2(pm2Home);
  const view = await pm2.list();
  pm2.close();
  const records = loadHealth(stateDir.monitorStateFile, config.proxies);
  const results = await Promise.all(
    config.proxies.map((proxy) => {
      const record = records.get(proxy.id) ?? { health: createHealth(0), daemonPid: null };
      return checkOnce(proxy, config, stateDir.portFiles(proxy.id).socket, record, view);
    }),
  );
  const listedMonitor = view.ok ? view.apps.get(project.monitorApp) : undefined;
  const monitorProblem = isSilent
    ? describeMonitorProblem({
        app: project.monitorApp,
        ...findMonitor(stateDir, listedMonitor?.pid ?? null),
      })
    : null;
  const proxies = results.map(({ status }) => status);
  return {
    snapshot: {
      version: SNAPSHOT_VERSION,
      host: config.host,
      generatedAt: Date.now(),
      monitor: null,
      project: project.name,
      monitorProblem,
      monitorStartProblem: isSilent ? null : findMonitorStartProblem(project, listedMonitor),
      proxies,
      disabled: config.disabled.map(describeDisabled),
      log: [],
    },
    evidence: Object.fromEntries(results.map(({ status, check }) => [status.name, check])),
  };
};

const findMonitorStartProblem = ({ monitorApp }: Project, listed: Pm2App | undefined): string | null => {
  if (!listed) return null;
  const evidence = { process: readProcessState(listed.pid), heartbeat: 'unreachable' } as const;
  return createStartCheck(monitorApp)(listed.status, listed, evidence).problem;
};

/** Checks one proxy. One check decides, because no second one confirms it, and there is no grace period. */
const checkOnce = async (
  proxy: ProxyConfig,
  { monitor }: Config,
  socketPath: string,
  record: ProxyRecord,
  view: Pm2View,
): Promise<{ readonly status: ProxyStatus; readonly check: CheckDetails }> => {
  const collector = createEvidenceCollector(proxy, monitor, socketPath);
  const runner = createCheckRunner(proxy, { monitor, listPm2: async () => view }, collector);
  const mode = { isUrgent: true, triggeredByQuickCheck: false, isLate: false };
  const result = await runner.check(mode, record, Number.NEGATIVE_INFINITY);
  collector.close();
  const { pid, evidence } = result.report;
  const policy = {
    ...healthPolicyOf(proxy, monitor, false),
    failureThreshold: 1,
    successThreshold: 1,
  };
  const recordedHealth = { ...record.health, graceEndsAt: 0 };
  const event = { kind: 'check', at: Date.now(), pid, evidence, isProbed: true } as const;
  const { state, cause, since } = reduce(recordedHealth, event, policy).health;
  const health = { ...recordedHealth, state, cause, since };
  const pm2Description = { statusText: result.pm2StatusText ?? PM2_NOT_REACHABLE, ending: null };
  return {
    status: describeProxy(proxy, health, result.report, pm2Description, monitor.failureThreshold),
    check: describeCheck(proxy, health, result),
  };
};

/** Finds the process that owns the monitor's socket. Where that cannot be read it is the one that PM2 lists. */
const findMonitor = (
  { monitorSocket }: StateDir,
  listedPid: number | null,
): Omit<UnresponsiveMonitor, 'app'> => {
  const socket = findUnixListener(monitorSocket);
  const pid = (socket && ownerOf(socket).pid) ?? listedPid;
  return { pid, state: (pid === null ? undefined : readProcess(pid)?.state) ?? null };
};
