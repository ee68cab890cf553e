import { formatAddress } from '../core/address.ts';
import { type AppDefinition, MONITOR } from '../core/apps.ts';
import type { Config, ProxyConfig } from '../core/config.ts';
import { type Action, type Health, type HealthEvent, newHealth, step } from '../core/health.ts';
import { type MonitorStatus, NOT_LISTED, NOT_REACHABLE, type ProxyStatus } from '../core/status.ts';
import type { Home } from '../host/home.ts';
import type { Log } from '../host/log.ts';
import { describeProxy } from './describe.ts';
import { createWitness, type Sighting, type Witness } from './evidence.ts';
import { loadMemory, type PortMemory, pm2Status, removeStalePid, saveMemory } from './memory.ts';
import type { Pm2, Pm2View } from './pm2.ts';
import type { Restart } from './restarter.ts';

export interface Monitor {
  status(): { readonly proxies: readonly ProxyStatus[] } & Pick<MonitorStatus, 'lastLookMs' | 'pm2Problem'>;
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
  /** PM2 runs another monitor: this one outlived its daemon, and is to leave. */
  onSuperseded(): void;
}

/** Watches every proxy, each in a loop of its own, so that none waits for another. */
export const startMonitor = (deps: Dependencies): Monitor => {
  const { config, home, pm2, log } = deps;
  const memory = loadMemory(home.monitorState, config.proxies);
  let isSaved = true;
  const save = (): void => {
    try {
      saveMemory(home, memory);
      isSaved = true;
    } catch (error) {
      if (isSaved) log('not_saved', `Cannot keep the counters: ${(error as Error).message}`);
      isSaved = false;
    }
  };
  const listPm2 = shared(async () => {
    const view = await pm2.list();
    if (isSuperseded(view)) deps.onSuperseded();
    return view;
  });
  const watches = config.proxies.map((proxy) => watch(proxy, memory, listPm2, save, deps));
  save();
  return {
    status: () => {
      const view = listPm2.last();
      return {
        proxies: watches.map((one) => one.status()),
        lastLookMs: Math.min(...watches.map((one) => one.lastLookMs())),
        pm2Problem: view && !view.ok ? view.problem : null,
      };
    },
    stop: () => {
      for (const one of watches) one.stop();
      pm2.close();
    },
  };
};

/** One proxy: tick → evidence → step → actions, and again. */
const watch = (
  proxy: ProxyConfig,
  memory: Map<string, PortMemory>,
  listPm2: Shared<Pm2View>,
  save: () => void,
  { config: { monitor }, apps, home, restart, log }: Dependencies,
) => {
  const app = apps.find(({ name }) => name === proxy.name);
  const policy = {
    ...monitor,
    place: proxy.place,
    upstream: formatAddress(proxy.upstream),
    optional: proxy.optional,
  };
  const files = home.port(proxy.id);
  let remembered = memory.get(proxy.id) ?? { health: newHealth(Date.now()), seenBy: null };
  let sighting: Sighting | undefined;
  let pm2Word = 'unknown';
  let lastLookMs = Date.now();
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let curing = false;
  let looking = false;

  const handle = async (event: HealthEvent): Promise<void> => {
    const result = step(remembered.health, event, policy);
    remember({ ...remembered, health: result.health });
    for (const action of result.actions) await act(action);
  };

  const act = async (action: Action): Promise<void> => {
    if (action.kind === 'tell') {
      log(action.event, action.text, { proxy: proxy.name, cause: remembered.health.cause });
      return;
    }
    if (!app) return;
    curing = true;
    const error = await restart(action.cure, app, remembered.health.pid).then(
      () => null,
      (failure: Error) => failure.message,
    );
    curing = false;
    await handle({ kind: 'cured', atMs: Date.now(), cure: action.cure, error });
  };

  const remember = (next: PortMemory): void => {
    const changed = next.health !== remembered.health || next.seenBy !== remembered.seenBy;
    remembered = next;
    memory.set(proxy.id, next);
    if (changed) save();
  };

  const witness: Witness = createWitness(proxy, monitor, files.socket, (how) => {
    if (curing || stopped || remembered.health.state === 'stopped') return;
    void handle({ kind: how === 'lost' ? 'crash' : 'left', atMs: Date.now() });
    again(monitor.suspectIntervalMs);
  });

  const look = async (): Promise<void> => {
    const { health } = remembered;
    const eager = isSuspect(health);
    const view = await listPm2.get(eager ? monitor.suspectIntervalMs / 2 : monitor.intervalMs / 2);
    const listed = view.ok ? view.apps.get(proxy.name) : undefined;
    pm2Word = view.ok ? (listed?.word ?? NOT_LISTED) : NOT_REACHABLE;
    const status = pm2Status(view, listed, remembered);
    if (view.ok && listed) remember({ ...remembered, seenBy: view.daemonPid });
    sighting = await witness.look({ status, app: listed }, eager);
    lastLookMs = Date.now();
    if (removeStalePid(files.pid, sighting.pid))
      log('stale_pid', `Stale PID file found for ${proxy.place}, removing...`, { proxy: proxy.name });
    await handle({ kind: 'look', atMs: lastLookMs, pid: sighting.pid, evidence: sighting.evidence });
  };

  const again = (ms: number): void => {
    clearTimeout(timer);
    if (stopped) return;
    timer = setTimeout(() => {
      if (looking) return;
      looking = true;
      const startedAt = performance.now();
      void look()
        .catch((error: Error) =>
          log('look_failed', `The look at ${proxy.place} failed: ${error.message}`, {
            error: error.stack,
          }),
        )
        .then(() => {
          const { health } = remembered;
          const interval = isSuspect(health) ? monitor.suspectIntervalMs : monitor.intervalMs;
          looking = false;
          again(Math.max(0, interval - (performance.now() - startedAt)));
        });
    }, ms);
  };
  again(0);

  return {
    status: () => describeProxy(proxy, remembered.health, sighting, pm2Word, monitor.failureThreshold),
    lastLookMs: () => lastLookMs,
    stop: () => {
      stopped = true;
      clearTimeout(timer);
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

const isSuperseded = (view: Pm2View): boolean => {
  const other = view.ok ? view.apps.get(MONITOR) : undefined;
  const isThere = other?.status === 'online' || other?.status === 'launching';
  return isThere && other.pid !== null && other.pid !== process.pid;
};

interface Shared<T> {
  /** A value at most `maxAgeMs` old; who asks while one is on its way waits for that one. */
  get(maxAgeMs: number): Promise<T>;
  last(): T | undefined;
}

/** One list for all proxies, however many ask. */
const shared = <T>(fetch: () => Promise<T>): Shared<T> => {
  let underway: Promise<T> | undefined;
  let value: T | undefined;
  let at = Number.NEGATIVE_INFINITY;
  const refresh = async (): Promise<T> => {
    value = await fetch();
    at = performance.now();
    underway = undefined;
    return value;
  };
  return {
    get: async (maxAgeMs) => {
      if (value !== undefined && performance.now() - at < maxAgeMs) return value;
      underway ??= refresh();
      return underway;
    },
    last: () => value,
  };
};
