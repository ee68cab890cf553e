import type { MonitorConfig, ProxyConfig } from '../config/config.ts';
import { isSoft } from '../health/causes.ts';
import type { Action, HealthEvent } from '../health/events.ts';
import { step } from '../health/reducer.ts';
import { formatAddress } from '../lib/address.ts';
import type { Log } from '../logging/logger.ts';
import type { AppDefinition } from '../pm2/apps.ts';
import type { Restart } from '../pm2/restart.ts';
import type { PortMemory } from './health-store.ts';

/** What a treatment needs of the monitor and of the proxy. */
export interface Means {
  readonly monitor: MonitorConfig;
  readonly app: AppDefinition | undefined;
  readonly restart: Restart;
  readonly log: Log;
  listenAgain(): Promise<unknown>;
  /** Most ports fail at once. */
  isBraked(): boolean;
  onChange(memory: PortMemory): void;
}

/** What is remembered of a port, and what is done about it: event → step → actions, one cure at a time. */
export interface Treatment {
  memory(): PortMemory;
  /** The PM2 daemon that has the app in its list. */
  seenBy(daemonPid: number): void;
  /** Settles when what follows from it is done, a cure too; its outcome is the next event. */
  handle(event: HealthEvent): Promise<void>;
  isCuring(): boolean;
  /** As the operator wishes; it is no cure, and neither counted nor braked. Rejects with why it could not be done. */
  restart(): Promise<void>;
  /** When the last cure ended (performance.now()): what was seen before is of another process. */
  curedAt(): number;
}

export const createTreatment = (proxy: ProxyConfig, before: PortMemory, means: Means): Treatment => {
  let memory = before;
  let isCuring = false;
  let curedAt = Number.NEGATIVE_INFINITY;

  const remember = (next: PortMemory): void => {
    const isChanged = next.health !== memory.health || next.seenBy !== memory.seenBy;
    memory = next;
    if (isChanged) means.onChange(next);
  };

  const handle = async (event: HealthEvent): Promise<void> => {
    const policy = {
      ...means.monitor,
      place: proxy.place,
      upstream: formatAddress(proxy.upstream),
      optional: proxy.optional,
      isBraked: means.isBraked(),
    };
    const result = step(memory.health, event, policy);
    remember({ ...memory, health: result.health });
    for (const action of result.actions) await act(action);
  };

  const act = async (action: Action): Promise<void> => {
    if (action.kind === 'tell')
      return means.log(action.event, action.text, { proxy: proxy.name, cause: memory.health.cause });
    const { app } = means;
    if (!app || isCuring) return;
    const { cure } = action;
    isCuring = true;
    const { health, seenBy } = memory;
    const done = cure === 'listen' ? means.listenAgain() : means.restart(cure, app, health.pid, seenBy);
    const error = await done.then(
      () => null,
      (failure: Error) => failure.message,
    );
    isCuring = false;
    curedAt = performance.now();
    await handle({ kind: 'cured', atMs: Date.now(), cure, error });
  };

  const restart = async (): Promise<void> => {
    const { app } = means;
    if (!app) throw new Error('it is no app of this config');
    if (isCuring) throw new Error('a restart is under way');
    isCuring = true;
    const { health, seenBy } = memory;
    means.log('restart', `Restarting the proxy for ${proxy.place}, as asked through PM2`, {
      proxy: proxy.name,
    });
    await handle({ kind: 'left', atMs: Date.now() });
    // One that does not answer would take PM2's whole time-out to leave.
    const cure =
      health.state === 'down' && health.cause !== null && isSoft(health.cause) ? 'forced' : 'graceful';
    try {
      await means.restart(cure, app, health.pid, seenBy);
    } finally {
      isCuring = false;
      curedAt = performance.now();
    }
  };

  return {
    memory: () => memory,
    restart,
    seenBy: (daemonPid) => remember({ ...memory, seenBy: daemonPid }),
    handle,
    isCuring: () => isCuring,
    curedAt: () => curedAt,
  };
};
