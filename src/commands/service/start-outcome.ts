import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../config/config.ts';
import type { Project } from '../../config/project/project.ts';
import type { Settings } from '../../config/settings.ts';
import { isUsageError } from '../../lib/usage-error.ts';
import type { OfflineStatus } from '../../monitor/offline-status.ts';
import { createPm2, type Pm2App, type Pm2View } from '../../pm2/client.ts';
import { NO_DAEMON } from '../../pm2/rpc.ts';
import type { ProxyStatus, Snapshot } from '../../status/snapshot.ts';
import { isDecided } from '../../status/summary.ts';
import { askMonitor, askStatusAndEvidence, checkOffline, isAnswer, type NoAnswer } from '../ask-monitor.ts';

/** What runs after the start. */
export interface Outcome {
  readonly view: Pm2View;
  /** A proxy that is still starting is `starting` here, whatever was known of the process before. */
  readonly snapshot: Snapshot;
  /** The apps of whose present process nothing is decided yet. */
  readonly starting: readonly string[];
}

/** The time for a verdict on an app that runs and fails. After it, what is known of the app is said. */
const VERDICT_WAIT_MS = 5_000;
/** The time for an app that is still starting. A busy machine takes longer to start it, which is no failure. */
export const START_WAIT_MS = 30_000;
const ASK_INTERVAL_MS = 50;

/**
 * Asks PM2 and the monitor until there is a verdict on every proxy as it runs now: for up to VERDICT_WAIT_MS, and for up to
 * START_WAIT_MS while an app is still starting.
 * @param onLongWait called once when VERDICT_WAIT_MS have passed and an app is still starting, with what is known by then
 */
export const waitForVerdicts = async (
  config: Config,
  settings: Settings,
  onLongWait: (outcome: Outcome) => void,
): Promise<Outcome> => {
  const { monitorApp } = settings.project;
  const names = [...config.proxies.map(({ name }) => name), monitorApp];
  const pm2 = createPm2(settings.pm2Home);
  let isLongWait = false;
  try {
    for (const startedAt = performance.now(); ; await sleep(ASK_INTERVAL_MS)) {
      const view = await pm2.list();
      const answer = await askVerdicts(settings);
      const makeOutcome = async (starting: readonly string[]): Promise<Outcome> => {
        const { snapshot } = isAnswer(answer) ? answer : await checkOffline(config, settings, answer);
        return { view, snapshot: withStarting(snapshot, starting), starting };
      };
      const progress = names.map((name) => ({ name, progress: progressOf(name, monitorApp, view, answer) }));
      if (progress.every((app) => app.progress === 'decided')) return makeOutcome([]);
      const waitedMs = performance.now() - startedAt;
      if (waitedMs < VERDICT_WAIT_MS) continue;
      const starting = progress.filter((app) => app.progress === 'starting').map(({ name }) => name);
      if (starting.length === 0 || waitedMs >= START_WAIT_MS) return makeOutcome(starting);
      if (!isLongWait) onLongWait(await makeOutcome(starting));
      isLongWait = true;
    }
  } finally {
    pm2.close();
  }
};

/** Replaces what is known of the processes before those that are still starting. */
const withStarting = (snapshot: Snapshot, starting: readonly string[]): Snapshot => ({
  ...snapshot,
  proxies: snapshot.proxies.map((proxy) =>
    starting.includes(proxy.name) ? { ...proxy, state: 'starting', cause: null } : proxy,
  ),
});

/**
 * True when PM2 runs every app, PM2's monitor answers, none is still starting, and no proxy crashes or is
 * let none of its addresses by the system. A port that another process holds is no failure.
 */
export const hasComeUp = (
  { view, snapshot, starting }: Outcome,
  project: Project,
  apps: readonly { readonly name: string }[],
): boolean => {
  const isRunning = ({ name }: { readonly name: string }): boolean =>
    view.ok && view.apps.get(name)?.status === 'online';
  return (
    apps.every(isRunning) &&
    starting.length === 0 &&
    !isAnotherMonitor({ view, snapshot }, project) &&
    snapshot.monitor !== null &&
    !snapshot.proxies.some((proxy) => isCrashing(proxy) || proxy.cause === 'not_listening')
  );
};

/** True when the monitor that answers is not PM2's, which waits until that one leaves. */
export const isAnotherMonitor = (
  { view, snapshot: { monitor } }: Pick<Outcome, 'view' | 'snapshot'>,
  { monitorApp }: Project,
): boolean => monitor !== null && view.ok && monitor.pid !== view.apps.get(monitorApp)?.pid;

const isCrashing = ({ cause }: ProxyStatus): boolean =>
  cause === 'crashed' || cause === 'crash_loop' || cause === 'cannot_start';

/** True while a port still has the cause of the process before: the present one has not failed yet. */
const isRecovering = (proxy: ProxyStatus): boolean => isCrashing(proxy) && proxy.failures.consecutive === 0;

/** A monitor of another version is one that is about to be replaced. */
const askVerdicts = async (settings: Settings): Promise<OfflineStatus | NoAnswer> => {
  try {
    return await askMonitor(settings, askStatusAndEvidence);
  } catch (error) {
    if (isUsageError(error)) return 'silent';
    throw error;
  }
};

/**
 * How far the start of an app is. `decided`: it is the monitor, and answers, or the monitor has checked the process that PM2 has
 * now, and not those before it. `starting`: PM2 is launching it, or runs a process of which nothing is decided yet, or PM2's
 * list could not be had. `final`: more time would show nothing else, as of an app that does not run, or crashes again and
 * again, and where no monitor of PM2's comes to check it.
 */
export type Progress = 'decided' | 'starting' | 'final';

export const progressOf = (
  name: string,
  monitorApp: string,
  view: Pm2View,
  answer: OfflineStatus | NoAnswer,
): Progress => {
  if (!view.ok) return view.problem === NO_DAEMON ? 'final' : 'starting';
  const monitor = monitorProgressOf(view.apps.get(monitorApp), answer);
  if (name === monitorApp) return monitor;
  const app = view.apps.get(name);
  if (!isAnswer(answer) || monitor !== 'decided') return hasProcess(app) ? monitor : 'final';
  const proxy = answer.snapshot.proxies.find((each) => each.name === name);
  if (!proxy) return 'final';
  if (answer.evidence[name]?.pid === (app?.pid ?? null) && isProxyDecided(proxy)) return 'decided';
  return hasProcess(app) && (!isCrashing(proxy) || isRecovering(proxy)) ? 'starting' : 'final';
};

const monitorProgressOf = (app: Pm2App | undefined, answer: OfflineStatus | NoAnswer): Progress => {
  if (!isAnswer(answer)) return hasProcess(app) ? 'starting' : 'final';
  return answer.snapshot.monitor?.pid === app?.pid ? 'decided' : 'final';
};

/** True when PM2 has a process of the app. */
const hasProcess = (app: Pm2App | undefined): boolean =>
  app?.status === 'online' || app?.status === 'launching';

/** A proxy that is stopped for the monitor was checked by PM2's list from before the start. */
const isProxyDecided = (proxy: ProxyStatus): boolean =>
  proxy.state !== 'stopped' && isDecided(proxy) && !isRecovering(proxy);
