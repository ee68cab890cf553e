import { createChannels } from '../alerting/channels/registry.ts';
import { createDeadMansSwitch, createPing, type DeadMansSwitch } from '../alerting/dead-mans-switch.ts';
import { type Notifier, startNotifier } from '../alerting/notifier.ts';
import type { Config } from '../config/config.ts';
import { readSecretsOrNone } from '../config/load-secrets.ts';
import { type AcceptedConfig, acceptedFile } from '../config/project/accepted.ts';
import { findDrift, readSourcesState } from '../config/project/drift.ts';
import { VERSION } from '../config/project-root.ts';
import type { Settings } from '../config/settings.ts';
import { type HttpStatus, serveWithRetry } from '../http/listen-with-retry.ts';
import type { Sources } from '../http/pages.ts';
import { identityOf, supervisorOf } from '../ipc/identity.ts';
import { createOrphanHandler } from '../ipc/orphan.ts';
import type { MonitorProtocol, Supervisor } from '../ipc/protocol.ts';
import type { ControlSocket } from '../ipc/server.ts';
import { createPeriodicTask } from '../lib/timers/periodic-task.ts';
import { createEdgeLogger } from '../logging/edge-logger.ts';
import type { Log } from '../logging/logger.ts';
import { createMetrics } from '../metrics/prometheus.ts';
import { createPm2 } from '../pm2/client.ts';
import { findDaemon } from '../pm2/daemon.ts';
import { definePm2Apps } from '../pm2/ecosystem.ts';
import { createRestarter } from '../pm2/restart.ts';
import { locateRelease } from '../release/release.ts';
import { describeDrift } from '../status/config-drift.ts';
import {
  createProblemList,
  joinProblem,
  type MonitorProblem,
  type ProblemText,
} from '../status/monitor-problem.ts';
import { readinessProblem } from '../status/readiness.ts';
import { SNAPSHOT_VERSION, type Snapshot } from '../status/snapshot.ts';
import { createFileReserve } from '../system/file-reserve.ts';
import { readText, writeAtomic } from '../system/files.ts';
import { readProcessUsage } from '../system/proc/process-usage.ts';
import type { StateDir } from '../system/state-dir.ts';
import { isRemoved } from '../system/state-file.ts';
import { type Monitor, startMonitor } from './monitor.ts';
import { servePm2Tools } from './pm2-io.ts';
import { describeDisabled } from './snapshot.ts';

export interface MonitorAppDeps {
  readonly config: Config;
  readonly settings: Settings;
  /** What was accepted, and is the config; null when the config is the file's. */
  readonly accepted: AcceptedConfig | null;
  readonly stateDir: StateDir;
  /** The monitor's control socket. Only the monitor that owns it checks, alerts and writes the state. */
  readonly controlSocket: ControlSocket;
  readonly log: Log;
  /** The last lines of the log, oldest first. */
  readonly recentLines: readonly string[];
  /** The start of this process, in wall-clock milliseconds. */
  readonly startedAt: number;
}

export interface MonitorApp {
  /**
   * Serves the control socket, PM2's tools and HTTP. Settles once HTTP was tried.
   * @param requestStop is called when this monitor is to exit: PM2 runs another one, or an operator asks an orphan to exit
   */
  start(requestStop: () => void): Promise<void>;
  /** Settles when everything is stopped, and each message is sent or stored. */
  stop(): Promise<void>;
}

/** The interval at which the dead man's switch gets the state. */
const DEAD_MANS_SWITCH_INTERVAL_MS = 1_000;

/** Builds the monitor with its alerts and its metrics, in the order in which they need each other. The checks begin here. */
export const createMonitorApp = (deps: MonitorAppDeps): MonitorApp => {
  const { config, settings, accepted, stateDir, controlSocket, startedAt, log } = deps;
  const { http, allowedHosts } = config.monitor;
  const { secrets, errors, warnings } = readSecretsOrNone(settings);
  // A wrong URL turns off its channel only; the monitor goes on.
  for (const problem of [...errors, ...warnings]) log('secrets', problem);
  const deadMansSwitch = secrets.heartbeat && createDeadMansSwitch(createPing(secrets.heartbeat), log);
  const pm2 = createPm2(settings.pm2Home);
  const apps = definePm2Apps(config, settings, locateRelease(settings.home));
  let httpServer = NOT_SERVED;
  const reserve = createFileReserve();
  const { isUnderPm2, project } = settings;
  const restarter = createRestarter(pm2);
  const supervisor = (): Supervisor | null => supervisorOf(settings);
  const monitor = startMonitor({
    config,
    monitorApp: project.monitorApp,
    apps,
    stateDir,
    pm2,
    restart: restarter,
    log,
    isUnderPm2,
    supervisor,
    reserve,
  });
  const notifier = startNotifier({
    path: stateDir.alertsFile,
    config: config.alerts,
    channels: createChannels(secrets, () => httpServer.url),
    log,
    proxies: monitor.alertViews,
    monitor: () => ({ app: project.monitorApp, host: config.host, startedAt, problems: monitor.problems() }),
  });
  const configWatch = accepted && watchConfig(accepted, settings, stateDir, log);
  // Nobody is told of these, as of the monitor's problems: they concern no port.
  const listMinorProblems = createProblemList();
  const status = (): Snapshot => {
    const noHttp = { no_http: describeHttpProblem(httpServer) };
    const minorProblems = listMinorProblems({ ...configWatch?.problems(), ...noHttp });
    return snapshotOf(deps, monitor, notifier, httpServer, minorProblems);
  };

  return {
    start: async (requestStop) => {
      monitor.subscribe((event) => (event === 'changed' ? notifier.evaluateSoon() : requestStop()));
      controlSocket.serve<MonitorProtocol>({
        status,
        evidence: monitor.evidence,
        identify: () => identityOf(settings),
        leave_orphan: createOrphanHandler(settings, requestStop),
      });
      const hasChannels = notifier.status().channels.length > 0;
      const { checkNow, restart } = monitor;
      servePm2Tools({ status, checkNow, restart, silence: hasChannels ? notifier.silence : null });
      if (http !== false) {
        const metrics = createMetricsPage(settings, log, status, monitor, notifier);
        const isShortOfFiles = (): boolean => reserve.supply() !== 'ample';
        const sources = { status, proxies: config.proxies, allowedHosts, metrics, isShortOfFiles };
        httpServer = await serveWithRetry(http, sources, log);
      }
      if (deadMansSwitch) startTicking(deadMansSwitch, status);
    },
    stop: async () => {
      monitor.stop();
      configWatch?.stop();
      deadMansSwitch?.stop();
      await notifier.stop();
      // The socket is closed last: another monitor, which waits for it, would send the same and write the same files.
      await controlSocket.close();
    },
  };
};

const NOT_SERVED: HttpStatus = { url: null, problem: null };

const describeHttpProblem = ({ problem }: HttpStatus): ProblemText | null =>
  problem === null ? null : { reason: problem, nextStep: 'free the address, or change "monitor.http"' };

/** The interval at which the config file and `.env` are looked at. They are read when they have changed. */
const CONFIG_CHECK_INTERVAL_MS = 2_000;

/** Looks whether the config was edited since it was accepted. Logs once when that begins, or changes, and once when it is over. */
const watchConfig = (accepted: AcceptedConfig, settings: Settings, { path }: StateDir, log: Log) => {
  const keepAccepted = createAcceptedKeeper(acceptedFile(path));
  const edits = createEdgeLogger({
    onFail: (problem) => log('config_stale', `⚠️  ${problem}`),
    onRecover: () => log('config_current', 'The config is again what runs'),
    repeatOnChange: true,
  });
  let found: ReturnType<typeof describeDrift> | null = null;
  let lastState: string | undefined;
  const look = async (): Promise<void> => {
    keepAccepted();
    // Looked at without waiting: a file system that hangs must not stop the checks.
    const state = await readSourcesState(settings);
    if (state === lastState) return;
    lastState = state;
    const drift = findDrift(accepted, settings);
    found = drift && describeDrift(drift);
    if (found === null) edits.succeeded();
    else edits.failed(joinProblem(found));
  };
  const { stop } = createPeriodicTask({ run: look, intervalMs: () => CONFIG_CHECK_INTERVAL_MS });
  return { problems: () => (found === null ? {} : { [found.kind]: found }), stop };
};

/** Writes the accepted config anew where somebody has removed it, as a cleaner of old files does: what runs depends on it. */
const createAcceptedKeeper = (path: string): (() => void) => {
  const text = readText(path);
  return () => {
    if (text === undefined || !isRemoved(path)) return;
    try {
      writeAtomic(path, text);
    } catch {
      // The next look tries again, and why nothing can be written is said of the state of the ports.
    }
  };
};

const snapshotOf = (
  { config, settings, startedAt, recentLines }: MonitorAppDeps,
  monitor: Monitor,
  notifier: Notifier,
  http: HttpStatus,
  minorProblems: readonly MonitorProblem[],
): Snapshot => {
  const { proxies, ...monitorStatus } = monitor.status();
  return {
    version: SNAPSHOT_VERSION,
    host: config.host,
    project: settings.project.name,
    generatedAt: Date.now(),
    monitor: {
      pid: process.pid,
      version: VERSION,
      supervisor: supervisorOf(settings),
      startedAt,
      intervalMs: config.monitor.intervalMs,
      ...monitorStatus,
      problems: [...monitorStatus.problems, ...minorProblems],
      http: http.url,
      alerts: notifier.status(),
    },
    monitorProblem: null,
    proxies,
    disabled: config.disabled.map(describeDisabled),
    log: recentLines,
  };
};

const createMetricsPage = (
  { pm2Home }: Settings,
  log: Log,
  status: () => Snapshot,
  monitor: Monitor,
  notifier: Notifier,
): Sources['metrics'] => {
  const metrics = createMetrics((problem) => log('metric_error', `⚠️  ${problem}`));
  return {
    contentType: metrics.contentType,
    render: async () =>
      metrics.render(
        status(),
        monitor.proxyMetrics(),
        notifier.counts(),
        await readProcessUsage(findDaemon(pm2Home)),
      ),
  };
};

const startTicking = (deadMansSwitch: DeadMansSwitch, status: () => Snapshot): void => {
  const tick = (): void => {
    const snapshot = status();
    void deadMansSwitch.tick(snapshot.generatedAt, readinessProblem(snapshot) === null);
  };
  setInterval(tick, DEAD_MANS_SWITCH_INTERVAL_MS).unref();
};
