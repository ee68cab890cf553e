import type { ProxyConfig } from '../core/config.ts';
import { type Health, newHealth } from '../core/health.ts';
import { NOT_LISTED, NOT_REACHABLE, type ProxyStatus } from '../core/status.ts';
import type { Home } from '../host/home.ts';
import { describeProxy } from './describe.ts';
import { createWitness, type Sighting, type Witness } from './evidence.ts';
import { type PortMemory, pm2Status, removeStalePid } from './memory.ts';
import { PENDING } from './pm2.ts';
import type { Pm2List } from './pm2-list.ts';
import { createTimer } from './timer.ts';
import { createTreatment, type Means } from './treatment.ts';

/** What one watch shares with the others. */
export interface Surroundings extends Omit<Means, 'listenAgain'> {
  readonly files: ReturnType<Home['port']>;
  readonly remembered: PortMemory | undefined;
  readonly listPm2: Pm2List['get'];
}

export interface Watch {
  readonly health: () => Health;
  readonly status: () => ProxyStatus;
  readonly lastLookMs: () => number;
  readonly stop: () => void;
}

/** Watches one proxy: look → evidence → step → actions, and again. */
export const watch = (proxy: ProxyConfig, around: Surroundings): Watch => {
  const { monitor, files, log } = around;
  let sighting: Sighting | undefined;
  let pm2Word = 'unknown';
  let lastLookMs = Date.now();
  let isStopped = false;
  let isLooking = false;
  let isHurried = false;
  /** How often the control connection has ended. */
  let ends = 0;

  const witness: Witness = createWitness(proxy, monitor, files.socket, {
    onEnd: (how) => {
      ends += 1;
      // A goodbye counts also from one that PM2 is stopping: for a moment PM2 then shows it as given up.
      const isKnown = how === 'lost' && health().state === 'stopped';
      if (treatment.isCuring() || isStopped || isKnown) return;
      void treatment.handle({ kind: how === 'lost' ? 'crash' : 'left', atMs: Date.now() });
      timer.again(monitor.suspectIntervalMs);
    },
    onNews: () => timer.again(0),
  });
  const fresh = { health: newHealth(Date.now()), seenBy: null };
  const treatment = createTreatment(proxy, around.remembered ?? fresh, {
    ...around,
    listenAgain: witness.listenAgain,
  });
  const health = (): Health => treatment.memory().health;

  const isUrgent = (): boolean => isSuspect(health()) || (sighting?.evidence.leaving ?? 'no') !== 'no';

  const look = async (late: boolean): Promise<void> => {
    const eager = isUrgent();
    const maxAgeMs = (eager ? monitor.suspectIntervalMs : monitor.intervalMs) / 2;
    // In the middle of a restart PM2 has the app as one that somebody stopped.
    const view = await around.listPm2(maxAgeMs, treatment.curedAt());
    const listed = view.ok ? view.apps.get(proxy.name) : undefined;
    if (view.ok) pm2Word = listed?.word ?? NOT_LISTED;
    else if (view.problem !== PENDING) pm2Word = NOT_REACHABLE;
    const status = pm2Status(view, listed, treatment.memory());
    if (view.ok && listed) treatment.seenBy(view.daemonPid);
    const endsBefore = ends;
    const seen = await witness.look({ status, app: listed }, { eager, hurried: isHurried, late });
    isHurried = false;
    if (isStopped) return;
    lastLookMs = Date.now();
    // It answered, and has gone since: what was seen is the process before.
    if (seen.evidence.heartbeat === 'ok' && ends !== endsBefore) return;
    sighting = seen;
    if (removeStalePid(files.pid, seen.pid))
      log('stale_pid', `Stale PID file found for ${proxy.place}, removing...`, { proxy: proxy.name });
    const { pid, evidence, isProbed } = seen;
    await treatment.handle({ kind: 'look', atMs: lastLookMs, pid, evidence, isProbed });
  };

  const timer = createTimer({
    run: async (late) => {
      isLooking = true;
      await look(late).catch((error: Error) =>
        log('look_failed', `The look at ${proxy.place} failed: ${error.message}`, { error: error.stack }),
      );
      isLooking = false;
    },
    pauseMs: () => (isUrgent() ? monitor.suspectIntervalMs : monitor.intervalMs),
  });

  /** A proxy that hangs just after a look is not to wait for the next one. */
  const glances = createTimer({
    run: async () => {
      if (isLooking || isUrgent() || !(await witness.glance()) || isLooking) return;
      isHurried = true;
      timer.again(0);
    },
    pauseMs: () => monitor.suspectIntervalMs,
  });

  return {
    health,
    status: () => describeProxy(proxy, health(), sighting, pm2Word, monitor.failureThreshold),
    lastLookMs: () => lastLookMs,
    stop: () => {
      isStopped = true;
      timer.stop();
      glances.stop();
      witness.close();
    },
  };
};

/** Looked at every `suspectIntervalMs`: what is on its way, or about to change its state, up or down. */
const isSuspect = ({ state, hasLeft, incident, failures, successes }: Health): boolean =>
  state === 'starting' ||
  (hasLeft && state !== 'stopped') ||
  (incident !== null && (failures.consecutive <= MOST_SUSPECT_LOOKS || successes > 0));

/** After so many failures in a row nothing is about to change: `intervalMs` is often enough. */
const MOST_SUSPECT_LOOKS = 20;
