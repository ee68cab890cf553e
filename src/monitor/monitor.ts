import type { ProxyView } from '../alerting/policy/messages.ts';
import type { Config } from '../config/config.ts';
import { detectMassFailure, isPausingRestarts, NO_MASS_FAILURE } from '../health/mass-failure.ts';
import type { Log } from '../logging/logger.ts';
import { openCounterStore } from '../metrics/counter-store.ts';
import type { ProxySample } from '../metrics/sample.ts';
import type { AppDefinition } from '../pm2/apps.ts';
import type { Pm2 } from '../pm2/client.ts';
import { createProcessList } from '../pm2/process-list.ts';
import type { Restarter } from '../pm2/restart.ts';
import type { MonitorStatus, ProxyStatus } from '../status/snapshot.ts';
import type { StateDir } from '../system/state-dir.ts';
import { loadHealth, removeAllDrafts, saveHealth } from './health-store.ts';
import { createLogRotation } from './log-rotation.ts';
import { createProxyMonitor, type ProxyMonitor } from './proxy-monitor.ts';

export interface Monitor {
  status(): { readonly proxies: readonly ProxyStatus[] } & Pick<MonitorStatus, 'lastCheckAt' | 'pm2Problem'>;
  /** For the alerts. */
  alertViews(): readonly ProxyView[];
  /** For the metrics; what it gives of the counts is kept by then. */
  samples(): readonly ProxySample[];
  /** Looks at every port at once. */
  checkNow(): void;
  /** Restarts a proxy by its id, as the operator wishes; rejects with why it could not be done. */
  restart(id: string): Promise<void>;
  stop(): void;
}

/** What varies in tests is handed in; the apps are those of ecosystem.config.js. */
export interface MonitorDeps {
  readonly config: Config;
  readonly apps: readonly AppDefinition[];
  readonly stateDir: StateDir;
  readonly pm2: Pm2;
  readonly restart: Restarter;
  readonly log: Log;
  /** What is known of a port has changed, and is kept. */
  onChange(): void;
  /** PM2 runs another monitor: this one outlived its daemon, and is to leave. */
  onSuperseded(): void;
}

/** Of PM2's list, for what need not be new. */
const MAX_LIST_AGE_MS = 5_000;

/** Watches every proxy, each in a loop of its own, so that none waits for another. */
export const startMonitor = (deps: MonitorDeps): Monitor => {
  const { config, apps, stateDir, pm2, restart, log } = deps;
  removeAllDrafts(stateDir);
  const records = loadHealth(stateDir.monitorStateFile, config.proxies);
  const save = logSaveErrors(() => saveHealth(stateDir, records), log);
  const counters = openCounterStore(
    stateDir.countsFile,
    config.proxies.map(({ id }) => id),
  );
  const processList = createProcessList(pm2, log, deps.onSuperseded);
  const rotation = createLogRotation({
    config,
    stateDir,
    pm2,
    listPm2: () => processList.get(MAX_LIST_AGE_MS),
    log,
  });
  const proxyMonitors: ProxyMonitor[] = [];
  const restartsPaused = createMassFailureDetector(proxyMonitors, log);
  for (const proxy of config.proxies)
    proxyMonitors.push(
      createProxyMonitor(proxy, {
        monitor: config.monitor,
        app: apps.find(({ name }) => name === proxy.name),
        files: stateDir.portFiles(proxy.id),
        record: records.get(proxy.id),
        restart,
        log,
        listPm2: processList.get,
        restartsPaused,
        onReport: (report) => counters.add(proxy.id, report),
        onChange: (record) => {
          records.set(proxy.id, record);
          save();
          deps.onChange();
        },
      }),
    );
  const monitorsByName = new Map(config.proxies.map(({ name }, index) => [name, proxyMonitors[index]]));
  pm2.subscribe((event) => monitorsByName.get(event.app)?.onPm2Event(event));
  save();
  return {
    status: () => ({
      proxies: proxyMonitors.map((proxyMonitor) => proxyMonitor.status()),
      lastCheckAt: Math.min(...proxyMonitors.map((proxyMonitor) => proxyMonitor.lastCheckAt())),
      pm2Problem: processList.problem(),
    }),
    alertViews: () => proxyMonitors.map((proxyMonitor) => proxyMonitor.alertView()),
    samples: () => {
      const totals = counters.read();
      return config.proxies.flatMap(({ id }, index) => {
        const [proxyMonitor, counts] = [proxyMonitors[index]?.sample(), totals.get(id)];
        return proxyMonitor && counts ? [{ ...proxyMonitor, totals: counts }] : [];
      });
    },
    checkNow: () => {
      for (const proxyMonitor of proxyMonitors) proxyMonitor.checkNow();
    },
    restart: async (id) => proxyMonitors[config.proxies.findIndex((proxy) => proxy.id === id)]?.restart(),
    stop: () => {
      counters.read();
      for (const proxyMonitor of proxyMonitors) proxyMonitor.stop();
      rotation.stop();
      pm2.close();
    },
  };
};

/** A disk that is full is told once; the counters are then kept in memory only. */
const logSaveErrors = (save: () => void, log: Log): (() => void) => {
  let isSaved = true;
  return () => {
    try {
      save();
      isSaved = true;
    } catch (error) {
      if (isSaved) log('state_write_failed', `Cannot keep the counters: ${(error as Error).message}`);
      isSaved = false;
    }
  };
};

/** Whether most ports fail at once; said once when they begin to. */
const createMassFailureDetector = (proxyMonitors: readonly ProxyMonitor[], log: Log): (() => boolean) => {
  let state = NO_MASS_FAILURE;
  return () => {
    const now = Date.now();
    const previous = state;
    const healths = proxyMonitors.map((proxyMonitor) => proxyMonitor.health());
    state = detectMassFailure(previous, healths, now);
    if (previous.since === null && state.since !== null)
      log(
        'mass_failure',
        `🚨 ALERT: most of the ${healths.length} ports fail at once: this machine is suspected, and nothing is restarted for now`,
      );
    return isPausingRestarts(state, now);
  };
};
