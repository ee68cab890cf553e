import type { Seen } from '../alerting/policy/messages.ts';
import type { Config } from '../config/config.ts';
import { brake, isBraking, RELEASED } from '../health/mass-failure.ts';
import type { Log } from '../logging/logger.ts';
import { openLedgers } from '../metrics/counter-store.ts';
import type { Measures } from '../metrics/sample.ts';
import type { AppDefinition } from '../pm2/apps.ts';
import type { Pm2 } from '../pm2/client.ts';
import { watchPm2 } from '../pm2/process-list.ts';
import type { Restart } from '../pm2/restart.ts';
import type { MonitorStatus, ProxyStatus } from '../status/snapshot.ts';
import type { Home } from '../system/state-dir.ts';
import { forgetDrafts, loadMemory, saveMemory } from './health-store.ts';
import { rotateLogs } from './log-rotation.ts';
import { type Watch, watch } from './proxy-monitor.ts';

export interface Monitor {
  status(): { readonly proxies: readonly ProxyStatus[] } & Pick<MonitorStatus, 'lastCheckAt' | 'pm2Problem'>;
  /** For the alerts. */
  seen(): readonly Seen[];
  /** For the metrics; what it gives of the counts is kept by then. */
  measures(): readonly Measures[];
  /** Looks at every port at once. */
  lookNow(): void;
  /** Restarts a proxy by its id, as the operator wishes; rejects with why it could not be done. */
  restart(id: string): Promise<void>;
  stop(): void;
}

/** What varies in tests is handed in; the apps are those of ecosystem.config.js. */
export interface Dependencies {
  readonly config: Config;
  readonly apps: readonly AppDefinition[];
  readonly home: Home;
  readonly pm2: Pm2;
  readonly restart: Restart;
  readonly log: Log;
  /** What is known of a port has changed, and is kept. */
  onChange(): void;
  /** PM2 runs another monitor: this one outlived its daemon, and is to leave. */
  onSuperseded(): void;
}

/** Of PM2's list, for what need not be new. */
const LIST_AGE_MS = 5_000;

/** Watches every proxy, each in a loop of its own, so that none waits for another. */
export const startMonitor = (deps: Dependencies): Monitor => {
  const { config, apps, home, pm2, restart, log } = deps;
  forgetDrafts(home);
  const memory = loadMemory(home.monitorState, config.proxies);
  const save = keep(() => saveMemory(home, memory), log);
  const ledgers = openLedgers(
    home.counts,
    config.proxies.map(({ id }) => id),
  );
  const pm2List = watchPm2(pm2, log, deps.onSuperseded);
  const rotation = rotateLogs({ config, home, pm2, listPm2: () => pm2List.get(LIST_AGE_MS), log });
  const watches: Watch[] = [];
  const isBraked = watchFleet(watches, log);
  for (const proxy of config.proxies)
    watches.push(
      watch(proxy, {
        monitor: config.monitor,
        app: apps.find(({ name }) => name === proxy.name),
        files: home.port(proxy.id),
        remembered: memory.get(proxy.id),
        restart,
        log,
        listPm2: pm2List.get,
        isBraked,
        onReport: (report) => ledgers.enter(proxy.id, report),
        onChange: (next) => {
          memory.set(proxy.id, next);
          save();
          deps.onChange();
        },
      }),
    );
  const named = new Map(config.proxies.map(({ name }, at) => [name, watches[at]]));
  pm2.follow((news) => named.get(news.app)?.hear(news));
  save();
  return {
    status: () => ({
      proxies: watches.map((one) => one.status()),
      lastCheckAt: Math.min(...watches.map((one) => one.lastLookMs())),
      pm2Problem: pm2List.problem(),
    }),
    seen: () => watches.map((one) => one.seen()),
    measures: () => {
      const totals = ledgers.shown();
      return config.proxies.flatMap(({ id }, at) => {
        const [one, sum] = [watches[at]?.measures(), totals.get(id)];
        return one && sum ? [{ ...one, totals: sum }] : [];
      });
    },
    lookNow: () => {
      for (const one of watches) one.lookNow();
    },
    restart: async (id) => watches[config.proxies.findIndex((proxy) => proxy.id === id)]?.restart(),
    stop: () => {
      ledgers.shown();
      for (const one of watches) one.stop();
      rotation.stop();
      pm2.close();
    },
  };
};

/** A disk that is full is told once; the counters are then kept in memory only. */
const keep = (save: () => void, log: Log): (() => void) => {
  let isKept = true;
  return () => {
    try {
      save();
      isKept = true;
    } catch (error) {
      if (isKept) log('state_write_failed', `Cannot keep the counters: ${(error as Error).message}`);
      isKept = false;
    }
  };
};

/** Whether most ports fail at once; said once when they begin to. */
const watchFleet = (watches: readonly Watch[], log: Log): (() => boolean) => {
  let state = RELEASED;
  return () => {
    const nowMs = Date.now();
    const before = state;
    const healths = watches.map((one) => one.health());
    state = brake(before, healths, nowMs);
    if (before.sinceMs === null && state.sinceMs !== null)
      log(
        'mass_failure',
        `🚨 ALERT: most of the ${healths.length} ports fail at once: this machine is suspected, and nothing is restarted for now`,
      );
    return isBraking(state, nowMs);
  };
};
