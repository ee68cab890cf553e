import { existsSync } from 'node:fs';
import type { Config, ProxyConfig } from '../config/config.ts';
import { readProjectRecord } from '../config/project/record.ts';
import type { Settings } from '../config/settings.ts';
import { reduce } from '../health/reducer.ts';
import { createHealth } from '../health/state.ts';
import { isUnixSocket } from '../lib/address.ts';
import { bindAddresses } from '../lib/listen-spec.ts';
import type { AppsOwner } from '../pm2/apps.ts';
import { createPm2, type Pm2App, type Pm2View } from '../pm2/client.ts';
import { isOwnApp } from '../pm2/ecosystem.ts';
import type { CheckDetails, EvidenceByProxy } from '../status/evidence.ts';
import { describeMonitorProblem, type UnresponsiveMonitor } from '../status/monitor-problem.ts';
import {
  type Absence,
  PM2_NOT_LISTED,
  PM2_NOT_REACHABLE,
  type ProxyStatus,
  SNAPSHOT_VERSION,
  type Snapshot,
} from '../status/snapshot.ts';
import { localAddresses } from '../system/proc/network-interfaces.ts';
import { findOtherUser, ownerOf } from '../system/proc/port-owner.ts';
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
  settings: Pick<Settings, 'project' | 'pm2Home' | 'appEnv' | 'configPath'>,
  isSilent: boolean,
): Promise<OfflineStatus> => {
  const { project, pm2Home } = settings;
  const stateDir = locateStateDir(project.stateDir);
  const pm2 = createPm2(pm2Home);
  const view = withoutOthers(await pm2.list(), settings);
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
  const wasStarted =
    readProjectRecord(project.stateDir) !== undefined || existsSync(stateDir.monitorStateFile);
  const proxies = results.map(({ status }, index) => withAbsence(status, config.proxies[index], wasStarted));
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

const findMonitorStartProblem = (
  { monitorApp }: Settings['project'],
  listed: Pm2App | undefined,
): string | null => {
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

/** PM2 knows an app by its name alone, which another project or program may have given too. */
const withoutOthers = (view: Pm2View, owner: AppsOwner): Pm2View =>
  view.ok
    ? { ...view, apps: new Map([...view.apps].filter(([name, { env }]) => isOwnApp(owner, name, env))) }
    : view;

/** The status of a port that no process of this project serves, and that no fault keeps it from. */
const withAbsence = (
  status: ProxyStatus,
  proxy: ProxyConfig | undefined,
  wasStarted: boolean,
): ProxyStatus => {
  const absence = isUnknownToPm2(status) && proxy ? absenceOf(proxy, wasStarted) : null;
  return absence === null ? status : { ...status, state: 'stopped', cause: null, detail: null, absence };
};

/** True when neither PM2 nor the proxy itself knows of a process; another one may accept connections on the port. */
const isUnknownToPm2 = ({ pid, pm2 }: ProxyStatus): boolean =>
  pid === null && (pm2 === PM2_NOT_LISTED || pm2 === PM2_NOT_REACHABLE);

const absenceOf = ({ listen, upstream }: ProxyConfig, wasStarted: boolean): Absence | null => {
  const addresses = bindAddresses(listen, upstream, localAddresses());
  const user = findOtherUser(addresses.filter((address) => !isUnixSocket(address)));
  // What this user sees, and is no proxy, holds the port like any other program.
  if (user && user.isProxy !== false)
    return { kind: 'other_user', user: user.name, pid: user.pid, isProxy: user.isProxy };
  return wasStarted ? null : { kind: 'not_started' };
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
