import type { Seen } from '../alerting/policy/messages.ts';
import type { ProxyConfig } from '../config/config.ts';
import { type Health, newHealth } from '../health/state.ts';
import type { Measures } from '../metrics/sample.ts';
import type { ProxyStatus } from '../status/snapshot.ts';
import { createLooks, type LookMeans, type Looks } from './check-runner.ts';
import { createWitness, type Hears } from './checks/collect.ts';
import type { PortMemory } from './health-store.ts';
import { createHints, type Hints } from './pm2-events.ts';
import { createTreatment, type Means, type Treatment } from './recovery.ts';
import { createPace, isSuspect } from './schedule.ts';
import { describeProxy, seenOf } from './snapshot.ts';

/** What one watch shares with the others. */
export interface Surroundings extends Omit<Means, 'listenAgain'>, LookMeans {
  readonly remembered: PortMemory | undefined;
  readonly onReport: Hears['onReport'];
}

export interface Watch {
  readonly health: () => Health;
  readonly status: () => ProxyStatus;
  readonly seen: () => Seen;
  readonly measures: () => Omit<Measures, 'totals'>;
  readonly lastLookMs: () => number;
  /** Looks at once, at the upstream too. */
  readonly lookNow: () => void;
  readonly restart: Treatment['restart'];
  /** What PM2 says of the app by itself. */
  readonly hear: Hints['take'];
  readonly stop: () => void;
}

/** Watches one proxy: look → evidence → step → actions, and again. */
export const watch = (proxy: ProxyConfig, around: Surroundings): Watch => {
  const { monitor, files, log } = around;
  let isStopped = false;
  let isWished = false;

  const onEnd = (how: 'left' | 'lost'): void => {
    looks.hasEnded();
    // A goodbye counts also from one that PM2 is stopping: for a moment PM2 then shows it as given up.
    const isKnown = how === 'lost' && health().state === 'stopped';
    if (treatment.isCuring() || isStopped || isKnown) return;
    void treatment.handle({ kind: how === 'lost' ? 'crash' : 'left', atMs: Date.now() });
    pace.again(monitor.fastIntervalMs);
  };
  /** From here on its sockets are closed, though it may answer for a while. */
  const onLeaving = (): void => {
    if (!treatment.isCuring() && !isStopped) void treatment.handle({ kind: 'left', atMs: Date.now() });
  };
  const onNews = (): void => pace.again(0);
  const witness = createWitness(proxy, monitor, files.socket, {
    onLeaving,
    onEnd,
    onNews,
    onReport: around.onReport,
  });
  const treatment = createTreatment(
    proxy,
    around.remembered ?? { health: newHealth(Date.now()), seenBy: null },
    { ...around, listenAgain: witness.listenAgain },
  );
  const health = (): Health => treatment.memory().health;
  const isUrgent = (): boolean => isSuspect(health()) || (looks.last()?.evidence.leaving ?? 'no') !== 'no';
  const hints = createHints(
    () => isUrgent() || treatment.isCuring(),
    (ms) => pace.again(ms),
  );
  const looks = createLooks(proxy, around, witness, treatment, hints);
  const pace = createPace(monitor, {
    look: (manner) => {
      const eager = isUrgent() || isWished;
      isWished = false;
      return looks
        .look({ ...manner, eager })
        .catch((error: Error) =>
          log('check_error', `The look at ${proxy.place} failed: ${error.message}`, { error: error.stack }),
        );
    },
    glance: () => witness.glance(),
    isUrgent,
  });

  return {
    health,
    status: () => {
      const said = { word: looks.pm2Word(), ending: hints.ending(health().incident) };
      return describeProxy(proxy, health(), looks.last(), said, monitor.failureThreshold);
    },
    seen: () => seenOf(proxy, health(), looks.last(), hints.ending(health().incident)),
    measures: () => measure(proxy, health(), looks),
    lastLookMs: looks.lastLookMs,
    lookNow: () => {
      isWished = true;
      pace.again(0);
    },
    restart: treatment.restart,
    hear: hints.take,
    stop: () => {
      isStopped = true;
      looks.stop();
      pace.stop();
      witness.close();
    },
  };
};

const measure = (proxy: ProxyConfig, health: Health, looks: Looks): Omit<Measures, 'totals'> => {
  const last = looks.last();
  const upstream = last?.evidence.upstream ?? 'unknown';
  return {
    proxy: proxy.name,
    health,
    now: last?.report?.connections ?? null,
    startedAtMs: last?.report?.startedAtMs ?? null,
    sample: last?.sample ?? null,
    probe: {
      type: proxy.probe.type,
      isOk: upstream === 'unknown' ? null : upstream === 'ok',
      durationMs: last?.probeMs ?? null,
      lastOkMs: looks.upstreamOkMs(),
    },
  };
};
