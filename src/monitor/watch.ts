import { formatAddress } from '../core/address.ts';
import type { AppDefinition } from '../core/apps.ts';
import type { MonitorConfig, ProxyConfig } from '../core/config.ts';
import type { Action, HealthEvent } from '../core/events.ts';
import { type Health, newHealth } from '../core/health.ts';
import { NOT_LISTED, NOT_REACHABLE, type ProxyStatus } from '../core/status.ts';
import { step } from '../core/step.ts';
import type { Home } from '../host/home.ts';
import type { Log } from '../host/log.ts';
import { describeProxy } from './describe.ts';
import { createWitness, type Sighting, type Witness } from './evidence.ts';
import { type PortMemory, pm2Status, removeStalePid } from './memory.ts';
import { PENDING, type Pm2View } from './pm2.ts';
import type { Restart } from './restarter.ts';
import { createTimer } from './timer.ts';

/** What one watch shares with the others. */
export interface Surroundings {
  readonly monitor: MonitorConfig;
  readonly app: AppDefinition | undefined;
  readonly files: ReturnType<Home['port']>;
  readonly remembered: PortMemory | undefined;
  readonly restart: Restart;
  readonly log: Log;
  /** PM2's list, at most `maxAgeMs` old, or what is known of it when PM2 takes its time. */
  listPm2(maxAgeMs: number): Promise<Pm2View>;
  /** Most ports fail at once. */
  isBraked(): boolean;
  onChange(memory: PortMemory): void;
}

export interface Watch {
  readonly health: () => Health;
  readonly status: () => ProxyStatus;
  readonly lastLookMs: () => number;
  readonly stop: () => void;
}

/** Watches one proxy: look → evidence → step → actions, and again. */
export const watch = (proxy: ProxyConfig, around: Surroundings): Watch => {
  const { monitor, app, files, log } = around;
  let remembered = around.remembered ?? { health: newHealth(Date.now()), seenBy: null };
  let sighting: Sighting | undefined;
  let pm2Word = 'unknown';
  let lastLookMs = Date.now();
  let isStopped = false;
  let isCuring = false;

  const handle = async (event: HealthEvent): Promise<void> => {
    const policy = {
      ...monitor,
      place: proxy.place,
      upstream: formatAddress(proxy.upstream),
      optional: proxy.optional,
      isBraked: around.isBraked(),
    };
    const result = step(remembered.health, event, policy);
    remember({ ...remembered, health: result.health });
    for (const action of result.actions) await act(action);
  };

  const act = async (action: Action): Promise<void> => {
    if (action.kind === 'tell')
      return log(action.event, action.text, { proxy: proxy.name, cause: remembered.health.cause });
    if (!app || isCuring) return;
    const { cure } = action;
    isCuring = true;
    const done = cure === 'listen' ? witness.listenAgain() : around.restart(cure, app, remembered.health.pid);
    const error = await done.then(
      () => null,
      (failure: Error) => failure.message,
    );
    isCuring = false;
    await handle({ kind: 'cured', atMs: Date.now(), cure, error });
  };

  const remember = (next: PortMemory): void => {
    const isChanged = next.health !== remembered.health || next.seenBy !== remembered.seenBy;
    remembered = next;
    if (isChanged) around.onChange(next);
  };

  const witness: Witness = createWitness(proxy, monitor, files.socket, {
    onEnd: (how) => {
      // A goodbye counts also from one that PM2 is stopping: for a moment PM2 then shows it as given up.
      if (isCuring || isStopped || (how === 'lost' && remembered.health.state === 'stopped')) return;
      void handle({ kind: how === 'lost' ? 'crash' : 'left', atMs: Date.now() });
      timer.again(monitor.suspectIntervalMs);
    },
    onNews: () => timer.again(0),
  });

  const look = async (late: boolean): Promise<void> => {
    const eager = isSuspect(remembered.health);
    const view = await around.listPm2((eager ? monitor.suspectIntervalMs : monitor.intervalMs) / 2);
    const listed = view.ok ? view.apps.get(proxy.name) : undefined;
    if (view.ok) pm2Word = listed?.word ?? NOT_LISTED;
    else if (view.problem !== PENDING) pm2Word = NOT_REACHABLE;
    const status = pm2Status(view, listed, remembered);
    if (view.ok && listed) remember({ ...remembered, seenBy: view.daemonPid });
    sighting = await witness.look({ status, app: listed }, { eager, late });
    lastLookMs = Date.now();
    if (removeStalePid(files.pid, sighting.pid))
      log('stale_pid', `Stale PID file found for ${proxy.place}, removing...`, { proxy: proxy.name });
    const { pid, evidence, isProbed } = sighting;
    await handle({ kind: 'look', atMs: lastLookMs, pid, evidence, isProbed });
  };

  const timer = createTimer({
    run: (late) =>
      look(late).catch((error: Error) =>
        log('look_failed', `The look at ${proxy.place} failed: ${error.message}`, { error: error.stack }),
      ),
    pauseMs: () => (isSuspect(remembered.health) ? monitor.suspectIntervalMs : monitor.intervalMs),
  });

  return {
    health: () => remembered.health,
    status: () => describeProxy(proxy, remembered.health, sighting, pm2Word, monitor.failureThreshold),
    lastLookMs: () => lastLookMs,
    stop: () => {
      isStopped = true;
      timer.stop();
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
