/**
 * The room monitor: checks every proxy, and brings back those that fail. It goes from a schedule over the evidence (checks/)
 * and the reducer (health/) to the recovery, and app.ts adds the alerts, the metrics and the servers.
 */

import { existsSync } from 'node:fs';
import type { ProxyView } from '../alerting/policy/proxy-view.ts';
import type { Config } from '../config/config.ts';
import { detectMassFailure, isPausingRestarts, NO_MASS_FAILURE } from '../health/mass-failure.ts';
import type { Supervisor } from '../ipc/protocol.ts';
import { npmCommand } from '../lib/command-lines.ts';
import { createPeriodicTask } from '../lib/timers/periodic-task.ts';
import { createEdgeLogger } from '../logging/edge-logger.ts';
import type { Log } from '../logging/logger.ts';
import { openCounterStore } from '../metrics/counter-store.ts';
import type { ProxyMetrics } from '../metrics/sample.ts';
import type { AppDefinition } from '../pm2/apps.ts';
import { countInstances, type Pm2, type Pm2View } from '../pm2/client.ts';
import { createProcessList } from '../pm2/process-list.ts';
import type { Restarter } from '../pm2/restart.ts';
import { createSupervision } from '../pm2/supervision.ts';
import { describeCopies } from '../status/copies.ts';
import type { EvidenceByProxy } from '../status/evidence.ts';
import {
  createProblemList,
  joinProblem,
  type MonitorProblem,
  type ProblemText,
} from '../status/monitor-problem.ts';
import type { MonitorStatus, ProxyStatus } from '../status/snapshot.ts';
import { supervisionCureOf } from '../status/summary.ts';
import { createFileReserve, type FileReserve } from '../system/file-reserve.ts';
import type { StateDir } from '../system/state-dir.ts';
import { isRemoved } from '../system/state-file.ts';
import { loadHealth, removeAllDrafts, saveHealth } from './health-store.ts';
import { createLogRotation } from './log-rotation.ts';
import { ProxyMonitor, type ProxyMonitorDeps } from './proxy-monitor.ts';

/** The monitors of all proxies of the config, with what they have in common. */
export interface Monitor {
  status(): { readonly proxies: readonly ProxyStatus[] } & Pick<
    MonitorStatus,
    'crashes' | 'lastCheckAt' | 'pm2Problem' | 'problems'
  >;
  /** The evidence of each proxy's last check. */
  evidence(): EvidenceByProxy;
  /** What is wrong with the monitor itself, or with what it needs. */
  problems(): readonly MonitorProblem[];
  /** The facts for the alerts. */
  alertViews(): readonly ProxyView[];
  /** The facts for the metrics. The counts in them are stored before they are returned. */
  proxyMetrics(): readonly ProxyMetrics[];
  /** Checks every port at once. */
  checkNow(): void;
  /** Restarts a proxy by its id because the operator asks for it. Rejects with the reason why it could not be done. */
  restart(id: string): Promise<void>;
  /** Sets the listener that is called with each event. Default: none. */
  subscribe(onEvent: (event: MonitorEvent) => void): void;
  stop(): void;
}

/**
 * `changed`: the record of a port has changed, and is stored. `superseded`: PM2 runs another monitor; this one has
 * outlived its daemon, and is to exit.
 */
export type MonitorEvent = 'changed' | 'superseded';

export interface MonitorDeps {
  readonly config: Config;
  /** The monitor's PM2 app. */
  readonly monitorApp: string;
  /** The apps of ecosystem.config.js. */
  readonly apps: readonly AppDefinition[];
  readonly stateDir: StateDir;
  readonly pm2: Pm2;
  readonly restart: Restarter;
  readonly log: Log;
  /** True when PM2 runs this monitor, so that a PM2 without its apps is a problem. Default: false. */
  readonly isUnderPm2?: boolean;
  /** The PM2 daemon of this monitor. Default: it has none. */
  supervisor?(): Supervisor | null;
  /** Default: a reserve of its own. */
  readonly reserve?: FileReserve;
}

/** The maximum age of PM2's list where it need not be new. */
const MAX_LIST_AGE_MS = 5_000;

/** A state file that was removed, as by a cleaner of old files, is missing for this long. */
const KEEP_INTERVAL_MS = 1_000;

/** Starts a ProxyMonitor for each proxy of the config, each with a schedule of its own, so that none waits for another. */
export const startMonitor = ({
  config,
  monitorApp,
  apps,
  stateDir,
  pm2,
  restart,
  log,
  isUnderPm2 = false,
  supervisor = () => null,
  reserve = createFileReserve(),
}: MonitorDeps): Monitor => {
  let notify = (_: MonitorEvent): void => {};
  removeAllDrafts(stateDir);
  const ids = config.proxies.map(({ id }) => id);
  const onStateProblem = (problem: string): void => log('state_put_aside', problem);
  if (isForgetful(stateDir, ids))
    log('state_missing', `⚠️  ${stateDir.monitorStateFile} is missing: what was known of the ports is lost`);
  const records = loadHealth(stateDir.monitorStateFile, config.proxies, onStateProblem);
  const saver = createSaver(() => saveHealth(stateDir, records), stateDir.path, log);
  const counters = openCounterStore(stateDir.countsFile, ids, onStateProblem);
  const keeper = createPeriodicTask({
    run: async () => {
      if (isRemoved(stateDir.monitorStateFile)) saver.save();
      counters.keep();
    },
    intervalMs: () => KEEP_INTERVAL_MS,
  });
  const appsByName = new Map(apps.map((app) => [app.name, app]));
  const appNames = [...appsByName.keys()];
  const supervision = isUnderPm2 ? createSupervision(appNames, log, () => notify('changed')) : undefined;
  const copies = createCopyWatch(appNames, log, () => notify('changed'));
  const processList = createProcessList(
    pm2,
    log,
    monitorApp,
    () => notify('superseded'),
    (view) => {
      supervision?.observe(view);
      copies.observe(view, supervisor(), proxyMonitors);
    },
  );
  const listPm2 = () => processList.get(MAX_LIST_AGE_MS);
  const rotation = createLogRotation({ config, appNames, stateDir, pm2, listPm2, log });
  const proxyMonitors: ProxyMonitor[] = [];
  const couldLook = () => proxyMonitors.every((proxyMonitor) => proxyMonitor.couldLook());
  const files = watchFiles(reserve, couldLook, log, () => notify('changed'));
  const sharedDeps = {
    host: config.host,
    monitor: config.monitor,
    restart,
    log,
    listPm2: processList.get,
    canLook: files.canLook,
    onChecked: files.update,
    restartsPaused: createMassFailureDetector(proxyMonitors, log),
  };
  for (const proxy of config.proxies) {
    const deps: ProxyMonitorDeps = {
      ...sharedDeps,
      app: appsByName.get(proxy.name),
      files: stateDir.portFiles(proxy.id),
      record: records.get(proxy.id),
      onReport: (report) => counters.add(proxy.id, report),
      onChange: (record) => {
        records.set(proxy.id, record);
        saver.save();
        notify('changed');
      },
    };
    proxyMonitors.push(new ProxyMonitor(proxy, deps));
  }
  const monitorsByName = new Map(proxyMonitors.map((proxyMonitor) => [proxyMonitor.name, proxyMonitor]));
  pm2.subscribe(
    (event) => monitorsByName.get(event.app)?.onPm2Event(event),
    () => {
      for (const proxyMonitor of proxyMonitors) proxyMonitor.onPm2Connected();
    },
  );
  saver.save();
  const listProblems = createProblemList();
  const problems = () =>
    listProblems({
      checks_fail: firstCheckProblem(proxyMonitors.map((proxyMonitor) => proxyMonitor.checkProblem())),
      ...supervision?.problems(),
      copies: copies.problem(),
      ...files.problems(),
      ...saver.problems(),
    });
  return {
    status: () => {
      return {
        proxies: proxyMonitors.map((proxyMonitor) => proxyMonitor.status()),
        crashes: counters.monitorCrashes(),
        lastCheckAt: lastCheckOf(proxyMonitors),
        pm2Problem: processList.problem(),
        problems: problems(),
      };
    },
    evidence: () => Object.fromEntries(proxyMonitors.map(({ name, lastCheck }) => [name, lastCheck()])),
    problems,
    alertViews: () => {
      const supervisionCure = supervisionCureOf(problems());
      return proxyMonitors.map((proxyMonitor) => proxyMonitor.alertView(supervisionCure));
    },
    proxyMetrics: () => {
      const totalsById = counters.read();
      return proxyMonitors.flatMap(({ id, metrics }) => {
        const totals = totalsById.get(id);
        return totals ? [{ ...metrics(), totals }] : [];
      });
    },
    checkNow: () => {
      for (const proxyMonitor of proxyMonitors) proxyMonitor.checkNow();
    },
    restart: async (id) => proxyMonitors.find((proxyMonitor) => proxyMonitor.id === id)?.restart(),
    subscribe: (onEvent) => {
      notify = onEvent;
    },
    stop: () => {
      keeper.stop();
      counters.close();
      saver.stop();
      for (const proxyMonitor of proxyMonitors) proxyMonitor.stop();
      rotation.stop();
      pm2.close();
    },
  };
};

/** The last look at the port that was checked the longest ago; now where all are disabled, since none is left unseen. */
const lastCheckOf = (proxyMonitors: readonly ProxyMonitor[]): number =>
  proxyMonitors.length === 0
    ? Date.now()
    : Math.min(...proxyMonitors.map((proxyMonitor) => proxyMonitor.lastCheckAt()));

/**
 * Logs when an app runs more than once, and when each runs once again.
 * @param appNames the apps of the config
 */
const createCopyWatch = (appNames: readonly string[], log: Log, onChange: () => void) => {
  let current: ProblemText | null = null;
  const edges = createEdgeLogger({
    onFail: (problem) => {
      log('copies', `⚠️  An app runs more than once: ${problem}`);
      onChange();
    },
    onRecover: () => {
      log('copies_ended', 'Each app runs once again');
      onChange();
    },
    repeatOnChange: true,
  });
  return {
    observe: (view: Pm2View, own: Supervisor | null, proxies: readonly ProxyMonitor[]): void => {
      if (!view.ok) return;
      current = describeCopies(
        new Map(
          appNames.map((name) => {
            const app = view.apps.get(name);
            return [name, app ? countInstances(app) : 0];
          }),
        ),
        new Map(proxies.map(({ name, reporter }) => [name, reporter()])),
        own,
      );
      if (current === null) edges.succeeded();
      else edges.failed(joinProblem(current));
    },
    /** What PM2 cannot be asked about goes on. */
    problem: (): ProblemText | null => current,
  };
};

/** True when a monitor has run here, which alone writes `failures`, and its memory was removed. */
const isForgetful = ({ monitorStateFile, portFiles }: StateDir, ids: readonly string[]): boolean =>
  !existsSync(monitorStateFile) && ids.some((id) => existsSync(portFiles(id).failuresFile));

/** The first of the errors of the monitor's own checks. */
const firstCheckProblem = (problems: readonly (string | null)[]): ProblemText | null => {
  const reason = problems.find((problem) => problem !== null);
  return reason === undefined ? null : { reason, nextStep: CHECKS_FAIL_ADVICE };
};

const CHECKS_FAIL_ADVICE = `please report it, with the stack in its log: ${npmCommand('logs', 'monitor')}`;

/** Saves the records of the ports. Until a save succeeds they are kept in memory only. */
interface Saver {
  save(): void;
  /** Why the last save failed, as a problem of its kind; null for the others. */
  problems(): Readonly<Record<'disk_full' | 'state_not_saved', ProblemText | null>>;
  stop(): void;
}

/** The state is saved this often although nothing has changed: a disk that has filled up is noticed before it matters. */
const SAVE_INTERVAL_MS = 60_000;
const SAVE_RETRY_MS = 1_000;

/** Logs the first of several failed saves in a row, and the end of them. */
const createSaver = (saveNow: () => void, folder: string, log: Log): Saver => {
  const writes = createEdgeLogger({
    onFail: (problem) => log('state_write_failed', `Cannot save the state of the ports: ${problem}`),
    onRecover: () => log('state_write_recovered', 'The state of the ports is saved again'),
  });
  let isDiskFull = false;
  const save = (): void => {
    try {
      saveNow();
      writes.succeeded();
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      isDiskFull = code === 'ENOSPC' || code === 'EDQUOT';
      if (writes.problem() === null) task.runIn(SAVE_RETRY_MS);
      writes.failed(message);
    }
  };
  const task = createPeriodicTask({
    run: async () => save(),
    intervalMs: () => (writes.problem() === null ? SAVE_INTERVAL_MS : SAVE_RETRY_MS),
  });
  return {
    save,
    problems: () => {
      const problem = writes.problem();
      const text =
        problem === null
          ? null
          : {
              reason: `${folder}: ${problem}; failures, restarts and incidents are kept in memory only`,
              nextStep: isDiskFull ? `make room in ${folder}` : `make ${folder} writable`,
            };
      return { disk_full: isDiskFull ? text : null, state_not_saved: isDiskFull ? null : text };
    },
    stop: task.stop,
  };
};

/**
 * Asks the reserve before and after each look. Logs when it is given up, when that is not enough, and when it is there again.
 * @param couldLook false while there is a port at which the last check could not look. Several looks at a time need more files
 *   than one, so the files are enough only when there was a look at each port
 */
const watchFiles = (reserve: FileReserve, couldLook: () => boolean, log: Log, onChange: () => void) => {
  const shortage = createEdgeLogger({
    onFail: (problem) => {
      log('out_of_files', `⚠️  The monitor is out of open files: ${problem}`);
      onChange();
    },
    onRecover: () => {
      log('files_recovered', 'The monitor has open files again');
      onChange();
    },
    repeatOnChange: true,
  });
  const fail = (problem: ProblemText): void => shortage.failed(joinProblem(problem));
  const textOf = (problem: ProblemText): ProblemText | null =>
    shortage.problem() === joinProblem(problem) ? problem : null;
  return {
    canLook: (): boolean => reserve.check() !== 'exhausted',
    /** To be called after each check. */
    update: (): void => {
      if (!couldLook()) fail(EXHAUSTED);
      else if (reserve.supply() === 'ample') shortage.succeeded();
      else fail(IN_RESERVE);
    },
    problems: () => ({ out_of_files: textOf(EXHAUSTED), short_of_files: textOf(IN_RESERVE) }),
  };
};

const FILES_ADVICE =
  'raise its limit (ulimit -n, or LimitNOFILE of the service that starts PM2), then restart PM2';
const IN_RESERVE = { reason: 'it works with the files that it keeps in reserve', nextStep: FILES_ADVICE };
const EXHAUSTED = { reason: 'it cannot look at the ports', nextStep: FILES_ADVICE };

/** True while restarts are paused, because most ports fail at once. Logs once when that begins. */
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
