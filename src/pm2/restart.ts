import type { Remedy } from '../health/types.ts';
import { killSameProcess } from '../system/kill.ts';
import { readProcess } from '../system/proc/procfs.ts';
import type { AppDefinition } from './apps.ts';
import type { Pm2, Pm2App } from './client.ts';
import { isAppOf } from './ecosystem.ts';

/**
 * The time after which PM2 has sent its SIGINT and waits for the process to end. A hung process ignores the SIGINT
 * (docs/decisions.md: ADR-0015).
 */
const SIGKILL_AFTER_MS = 15;

/**
 * Applies a remedy through PM2. `relisten` is not one of them: the proxy itself does it.
 * @param pid the process that the evidence is about; null: none
 * @param daemonPid the PM2 daemon that had the app in its list last; null: unknown
 */
export type Restarter = (
  remedy: Exclude<Remedy, 'relisten'>,
  app: AppDefinition,
  pid: number | null,
  daemonPid: number | null,
) => Promise<void>;

/** PM2 could not be asked, so that nothing was begun. */
export class UntriedError extends Error {}

/** The restarter rejects with the reason when PM2 could not apply the remedy; an {@link UntriedError} when nothing was begun. */
export const createRestarter =
  (pm2: Pm2): Restarter =>
  async (remedy, app, pid, daemonPid) => {
    if (remedy === 'kill') return killStopping(pm2, app, pid);
    if (remedy === 'start') return startApp(pm2, app, daemonPid);
    // A daemon that hangs would restart the app whenever it wakes up, in whatever state the port is by then.
    const view = await pm2.list();
    if (!view.ok) throw new UntriedError(view.problem);
    const listed = view.apps.get(app.name);
    if (isStoppedByOperator(listed)) throw new Error('it was stopped meanwhile');
    const processInfo = pid === null ? undefined : readProcess(pid);
    const restarting = restartListed(pm2, app.name, listed);
    if (remedy === 'force_restart' && pid !== null && processInfo)
      setTimeout(() => killSameProcess(pid, processInfo.startTicks), SIGKILL_AFTER_MS);
    await restarting.catch((error: Error) => acceptReplacement(pm2, app.name, pid, error));
  };

/** Stops the app first while PM2 is launching it: a restart would make PM2 run it twice (docs/decisions.md: ADR-0015). */
const restartListed = async (pm2: Pm2, name: string, listed: Pm2App | undefined): Promise<void> => {
  if (listed?.status === 'launching') await pm2.stop(name);
  await pm2.restart(name);
};

/** True when the operator has stopped the app since the check that asked for the remedy. */
const isStoppedByOperator = (listed: Pm2App | undefined): boolean =>
  listed?.status === 'stopped' || listed?.status === 'stopping';

/**
 * Accepts a failed restart when PM2 has replaced the process anyway. A slow daemon may not have begun to restart when the
 * SIGKILL arrives; it then takes the end for a crash and restarts the app by itself.
 * @throws `error` when the process was not replaced
 */
const acceptReplacement = async (pm2: Pm2, name: string, pid: number | null, error: Error): Promise<void> => {
  const view = await pm2.list();
  const current = view.ok ? view.apps.get(name) : undefined;
  const isReplaced = current?.status === 'waiting_restart' || (current?.pid != null && current.pid !== pid);
  if (!isReplaced) throw error;
};

/** Kills the process only if PM2 is stopping this very process at this moment, and the app is one of this config. */
const killStopping = async (pm2: Pm2, { name, env }: AppDefinition, pid: number | null): Promise<void> => {
  const processInfo = pid === null ? undefined : readProcess(pid);
  const view = await pm2.list();
  if (!view.ok) throw new UntriedError(view.problem);
  const listed = view.apps.get(name);
  const isTarget = listed?.status === 'stopping' && listed.pid === pid && isAppOf(env, name, listed.env);
  if (isTarget && pid !== null && processInfo) killSameProcess(pid, processInfo.startTicks);
};

/**
 * Starts an app. It stops the app first, since a restart during PM2's backoff fails with "Process with pid N already
 * exists" (docs/decisions.md: ADR-0015). An app that the operator has stopped since the check stays stopped. An app that the
 * same daemon had in its list before and has no longer was deleted, and stays deleted.
 */
const startApp = async (pm2: Pm2, app: AppDefinition, daemonPid: number | null): Promise<void> => {
  const view = await pm2.list();
  if (!view.ok) throw new UntriedError(view.problem);
  const listed = view.apps.get(app.name);
  if (!listed && view.daemonPid === null) throw new UntriedError('it is unknown which PM2 daemon answers');
  if (!listed) return view.daemonPid === daemonPid ? undefined : pm2.start(app);
  if (isStoppedByOperator(listed)) return;
  if (listed.status !== 'online') await pm2.stop(app.name).catch(() => {});
  await pm2.restart(app.name);
};
