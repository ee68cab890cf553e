import type { ProxyConfig } from '../config/config.ts';
import { isLoadSensitive } from '../health/causes.ts';
import type { Action, HealthEvent } from '../health/events.ts';
import type { Health } from '../health/state.ts';
import type { Remedy } from '../health/types.ts';
import type { Log } from '../logging/logger.ts';
import type { AppDefinition } from '../pm2/apps.ts';
import { type Restarter, UntriedError } from '../pm2/restart.ts';
import type { ProxyRecord } from './health-store.ts';

export interface RecoveryDeps {
  /** The proxy's app; undefined for a proxy that is no app of the config, to which no action is applied. */
  readonly app: AppDefinition | undefined;
  readonly restart: Restarter;
  readonly log: Log;
  relisten(): Promise<unknown>;
}

/** The executor of the reducer's actions. Only one remedy or restart runs at a time. It keeps no state of the proxy's health. */
export interface Recovery {
  /**
   * Settles when the action is done, with the event that follows from it; null when none does. A remedy is dropped while
   * another action is under way. It never rejects.
   */
  execute(action: Action, record: ProxyRecord): Promise<HealthEvent | null>;
  /** True while a remedy or an operator's restart is under way. */
  isActing(): boolean;
  /** @throws why the operator's restart cannot be done now */
  ensureCanRestart(): void;
  /**
   * Restarts the proxy because the operator asks for it. This is no remedy: it is not counted, and a mass failure does not
   * stop it. Rejects with the reason why it could not be done.
   */
  restart(record: ProxyRecord): Promise<void>;
  /** The end of the last remedy or restart (performance.now()). Earlier evidence is of another process. */
  lastActionAt(): number;
}

const BUSY = 'a restart is under way';

export const createRecovery = (
  proxy: ProxyConfig,
  { app, log, relisten, restart: restartApp }: RecoveryDeps,
): Recovery => {
  let isActing = false;
  let lastActionAt = Number.NEGATIVE_INFINITY;

  /** Runs the action, unless another one is under way: the result is then `busy`. Rejects when the action fails. */
  const runExclusively = async (action: () => Promise<unknown>): Promise<'done' | 'busy'> => {
    if (isActing) return 'busy';
    isActing = true;
    try {
      await action();
      return 'done';
    } finally {
      isActing = false;
      lastActionAt = performance.now();
    }
  };

  const requireApp = (): AppDefinition => {
    if (!app) throw new Error('it is no app of this config');
    return app;
  };

  return {
    execute: async (action, { health, daemonPid }) => {
      if (action.kind === 'log') {
        log(action.event, action.text, { proxy: proxy.name, cause: health.cause });
        return null;
      }
      if (!app) return null;
      const { remedy } = action;
      let error: string | null = null;
      let isUntried = false;
      try {
        const outcome = await runExclusively(() =>
          remedy === 'relisten' ? relisten() : restartApp(remedy, app, health.pid, daemonPid),
        );
        if (outcome === 'busy') return null;
      } catch (failure) {
        error = (failure as Error).message;
        isUntried = failure instanceof UntriedError;
      }
      return { kind: 'remedy_done', at: Date.now(), remedy, error, isUntried };
    },
    isActing: () => isActing,
    ensureCanRestart: () => {
      requireApp();
      if (isActing) throw new Error(BUSY);
    },
    restart: async ({ health, daemonPid }) => {
      const restartableApp = requireApp();
      const outcome = await runExclusively(() => {
        log('restart', `Restarting the proxy for ${proxy.place}, as asked through PM2`, {
          proxy: proxy.name,
        });
        return restartApp(remedyFor(health), restartableApp, health.pid, daemonPid);
      });
      if (outcome === 'busy') throw new Error(BUSY);
    },
    lastActionAt: () => lastActionAt,
  };
};

/** A process that does not answer would make a plain restart wait for the whole of PM2's time-out. */
const remedyFor = ({ state, cause }: Health): Exclude<Remedy, 'relisten'> =>
  state === 'down' && cause !== null && isLoadSensitive(cause) ? 'force_restart' : 'restart';
