import type { MonitorConfig, ProxyConfig } from '../config/config.ts';
import { isLoadSensitive } from '../health/causes.ts';
import type { Action, HealthEvent } from '../health/events.ts';
import { reduce } from '../health/reducer.ts';
import { formatAddress } from '../lib/address.ts';
import type { Log } from '../logging/logger.ts';
import type { AppDefinition } from '../pm2/apps.ts';
import type { Restarter } from '../pm2/restart.ts';
import type { ProxyRecord } from './health-store.ts';

/** What a treatment needs of the monitor and of the proxy. */
export interface RecoveryDeps {
  readonly monitor: MonitorConfig;
  readonly app: AppDefinition | undefined;
  readonly restart: Restarter;
  readonly log: Log;
  relisten(): Promise<unknown>;
  /** Most ports fail at once. */
  restartsPaused(): boolean;
  onChange(record: ProxyRecord): void;
}

/** What is remembered of a port, and what is done about it: event → step → actions, one cure at a time. */
export interface Recovery {
  record(): ProxyRecord;
  /** The PM2 daemon that has the app in its list. */
  setDaemonPid(daemonPid: number): void;
  /** Settles when what follows from it is done, a cure too; its outcome is the next event. */
  handle(event: HealthEvent): Promise<void>;
  isRestarting(): boolean;
  /** As the operator wishes; it is no cure, and neither counted nor braked. Rejects with why it could not be done. */
  restart(): Promise<void>;
  /** When the last cure ended (performance.now()): what was seen before is of another process. */
  lastActionAt(): number;
}

export const createRecovery = (
  proxy: ProxyConfig,
  initialRecord: ProxyRecord,
  deps: RecoveryDeps,
): Recovery => {
  let record = initialRecord;
  let isRestarting = false;
  let lastActionAt = Number.NEGATIVE_INFINITY;

  const update = (next: ProxyRecord): void => {
    const isChanged = next.health !== record.health || next.daemonPid !== record.daemonPid;
    record = next;
    if (isChanged) deps.onChange(next);
  };

  const handle = async (event: HealthEvent): Promise<void> => {
    const policy = {
      ...deps.monitor,
      place: proxy.place,
      upstream: formatAddress(proxy.upstream),
      optional: proxy.optional,
      restartsPaused: deps.restartsPaused(),
    };
    const transition = reduce(record.health, event, policy);
    update({ ...record, health: transition.health });
    for (const action of transition.actions) await act(action);
  };

  const act = async (action: Action): Promise<void> => {
    if (action.kind === 'log')
      return deps.log(action.event, action.text, { proxy: proxy.name, cause: record.health.cause });
    const { app } = deps;
    if (!app || isRestarting) return;
    const { remedy } = action;
    isRestarting = true;
    const { health, daemonPid } = record;
    const outcome =
      remedy === 'relisten' ? deps.relisten() : deps.restart(remedy, app, health.pid, daemonPid);
    const error = await outcome.then(
      () => null,
      (failure: Error) => failure.message,
    );
    isRestarting = false;
    lastActionAt = performance.now();
    await handle({ kind: 'remedy_done', at: Date.now(), remedy, error });
  };

  const restart = async (): Promise<void> => {
    const { app } = deps;
    if (!app) throw new Error('it is no app of this config');
    if (isRestarting) throw new Error('a restart is under way');
    isRestarting = true;
    const { health, daemonPid } = record;
    deps.log('restart', `Restarting the proxy for ${proxy.place}, as asked through PM2`, {
      proxy: proxy.name,
    });
    await handle({ kind: 'goodbye', at: Date.now() });
    // One that does not answer would take PM2's whole time-out to leave.
    const remedy =
      health.state === 'down' && health.cause !== null && isLoadSensitive(health.cause)
        ? 'force_restart'
        : 'restart';
    try {
      await deps.restart(remedy, app, health.pid, daemonPid);
    } finally {
      isRestarting = false;
      lastActionAt = performance.now();
    }
  };

  return {
    record: () => record,
    restart,
    setDaemonPid: (daemonPid) => update({ ...record, daemonPid }),
    handle,
    isRestarting: () => isRestarting,
    lastActionAt: () => lastActionAt,
  };
};
