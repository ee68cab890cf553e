import type { Remedy } from '../health/types.ts';
import { killSameProcess } from '../system/kill.ts';
import { readProcess } from '../system/proc/procfs.ts';
import type { AppDefinition } from './apps.ts';
import type { Pm2, Pm2App } from './client.ts';
import { isAppOf } from './ecosystem.ts';

/** After this long PM2 has sent its SIGINT and waits; a hung process will not heed it (docs/decisions.md: PM2). */
const SIGKILL_AFTER_MS = 15;

/**
 * What PM2 does; to listen again is asked of the proxy itself.
 * @param seenBy the PM2 daemon that has had the app in its list; null: none that is known of
 */
export type Restarter = (
  remedy: Exclude<Remedy, 'relisten'>,
  app: AppDefinition,
  pid: number | null,
  daemonPid: number | null,
) => Promise<void>;

/** Rejects with the reason when PM2 could not do it. */
export const createRestarter =
  (pm2: Pm2): Restarter =>
  async (remedy, app, pid, daemonPid) => {
    if (remedy === 'kill') return killStopping(pm2, app, pid);
    if (remedy === 'start') return startApp(pm2, app, daemonPid);
    // A daemon that hangs would do it when it wakes, whatever has become of the port by then.
    const view = await pm2.list();
    if (!view.ok) throw new Error(view.problem);
    if (isStoppedByOperator(view.apps.get(app.name))) throw new Error('it was stopped meanwhile');
    const processInfo = pid === null ? undefined : readProcess(pid);
    const restarting = pm2.restart(app.name);
    if (remedy === 'force_restart' && pid !== null && processInfo)
      setTimeout(() => killSameProcess(pid, processInfo.startTicks), SIGKILL_AFTER_MS);
    await restarting.catch((error: Error) => acceptReplacement(pm2, app.name, pid, error));
  };

/** Stopped since the look that asked for the cure, as somebody wished. */
const isStoppedByOperator = (listed: Pm2App | undefined): boolean =>
  listed?.status === 'stopped' || listed?.status === 'stopping';

/**
 * A daemon that is slow has not begun to restart when the SIGKILL lands, takes it for a crash, and restarts by itself:
 * what was wanted came about another way.
 * @throws `error` when it did not
 */
const acceptReplacement = async (pm2: Pm2, name: string, pid: number | null, error: Error): Promise<void> => {
  const view = await pm2.list();
  const current = view.ok ? view.apps.get(name) : undefined;
  const isReplaced = current?.status === 'waiting_restart' || (current?.pid != null && current.pid !== pid);
  if (!isReplaced) throw error;
};

/** Kills what PM2 is stopping at this moment, and nothing else: the same process, of an app of this config. */
const killStopping = async (pm2: Pm2, { name, env }: AppDefinition, pid: number | null): Promise<void> => {
  const processInfo = pid === null ? undefined : readProcess(pid);
  const view = await pm2.list();
  if (!view.ok) throw new Error(view.problem);
  const listed = view.apps.get(name);
  const isTarget =
    listed?.status === 'stopping' &&
    listed.pid === pid &&
    isAppOf(env['STEADYPORT_CONFIG'], name, listed.env);
  if (isTarget && pid !== null && processInfo) killSameProcess(pid, processInfo.startTicks);
};

/**
 * A restart during a backoff fails ("Process with pid N already exists"): stop first (docs/decisions.md: PM2). What the
 * operator has stopped since the look stays so, and so does what this very daemon had before and has no more.
 */
const startApp = async (pm2: Pm2, app: AppDefinition, daemonPid: number | null): Promise<void> => {
  const view = await pm2.list();
  if (!view.ok) throw new Error(view.problem);
  const listed = view.apps.get(app.name);
  if (!listed) return view.daemonPid === daemonPid ? undefined : pm2.start(app);
  if (isStoppedByOperator(listed)) return;
  if (listed.status !== 'online') await pm2.stop(app.name).catch(() => {});
  await pm2.restart(app.name);
};
