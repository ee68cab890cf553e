import type { ProxyConfig } from '../core/config.ts';
import { type Health, newHealth } from '../core/health.ts';
import { NOT_LISTED, NOT_REACHABLE, type ProxyStatus } from '../core/status.ts';
import type { Home } from '../host/home.ts';
import type { Manner } from './answers.ts';
import { describeProxy } from './describe.ts';
import { createWitness, type Sighting } from './evidence.ts';
import { type PortMemory, pm2Status, removeStalePid } from './memory.ts';
import { createPace, isSuspect } from './pace.ts';
import { PENDING, type Pm2View } from './pm2.ts';
import type { Pm2List } from './pm2-list.ts';
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
  /** How often the control connection has ended. */
  let ends = 0;

  const onEnd = (how: 'left' | 'lost'): void => {
    ends += 1;
    // A goodbye counts also from one that PM2 is stopping: for a moment PM2 then shows it as given up.
    const isKnown = how === 'lost' && health().state === 'stopped';
    if (treatment.isCuring() || isStopped || isKnown) return;
    void treatment.handle({ kind: how === 'lost' ? 'crash' : 'left', atMs: Date.now() });
    pace.again(monitor.suspectIntervalMs);
  };
  /** From here on its sockets are closed, though it may answer for a while. */
  const onLeaving = (): void => {
    if (!treatment.isCuring() && !isStopped) void treatment.handle({ kind: 'left', atMs: Date.now() });
  };
  const onNews = (): void => pace.again(0);
  const witness = createWitness(proxy, monitor, files.socket, { onLeaving, onEnd, onNews });
  const treatment = createTreatment(
    proxy,
    around.remembered ?? { health: newHealth(Date.now()), seenBy: null },
    { ...around, listenAgain: witness.listenAgain },
  );
  const health = (): Health => treatment.memory().health;
  const isUrgent = (): boolean => isSuspect(health()) || (sighting?.evidence.leaving ?? 'no') !== 'no';

  /** Undefined when it is not worth anything any more. */
  const see = async (manner: Manner): Promise<Sighting | undefined> => {
    const maxAgeMs = (manner.eager ? monitor.suspectIntervalMs : monitor.intervalMs) / 2;
    // In the middle of a restart PM2 has the app as one that somebody stopped.
    const view = await around.listPm2(maxAgeMs, treatment.curedAt());
    const app = view.ok ? view.apps.get(proxy.name) : undefined;
    pm2Word = wordOf(view, proxy.name) ?? pm2Word;
    const status = pm2Status(view, app, treatment.memory());
    if (view.ok && app) treatment.seenBy(view.daemonPid);
    const endsBefore = ends;
    const seen = await witness.look({ status, app }, manner);
    // It answered, and has gone since: what was seen is the process before.
    const isOver = seen.evidence.heartbeat === 'ok' && ends !== endsBefore;
    if (!isStopped) lastLookMs = Date.now();
    return isStopped || isOver ? undefined : seen;
  };

  const look = async (manner: Omit<Manner, 'eager'>): Promise<void> => {
    const seen = await see({ ...manner, eager: isUrgent() });
    if (!seen) return;
    sighting = seen;
    const { pid, evidence, isProbed } = seen;
    if (removeStalePid(files.pid, pid))
      log('stale_pid', `Stale PID file found for ${proxy.place}, removing...`, { proxy: proxy.name });
    await treatment.handle({ kind: 'look', atMs: lastLookMs, pid, evidence, isProbed });
  };

  const pace = createPace(monitor, {
    look: (manner) =>
      look(manner).catch((error: Error) =>
        log('look_failed', `The look at ${proxy.place} failed: ${error.message}`, { error: error.stack }),
      ),
    glance: () => witness.glance(),
    isUrgent,
  });

  return {
    health,
    status: () => describeProxy(proxy, health(), sighting, pm2Word, monitor.failureThreshold),
    lastLookMs: () => lastLookMs,
    stop: () => {
      isStopped = true;
      pace.stop();
      witness.close();
    },
  };
};

/** What PM2 says of an app, for people; undefined while that is still being waited for. */
const wordOf = (view: Pm2View, name: string): string | undefined => {
  if (view.ok) return view.apps.get(name)?.word ?? NOT_LISTED;
  return view.problem === PENDING ? undefined : NOT_REACHABLE;
};
