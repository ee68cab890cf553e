import type { AppDefinition } from '../core/apps.ts';
import type { Cure } from '../core/health.ts';
import { readProcess } from '../host/procfs.ts';
import type { Pm2 } from './pm2.ts';

/** After this long PM2 has sent its SIGINT and waits; a hung process will not heed it (docs/decisions.md: PM2). */
const SIGKILL_AFTER_MS = 15;

export type Restart = (cure: Exclude<Cure, 'none'>, app: AppDefinition, pid: number | null) => Promise<void>;

/** Rejects with the reason when PM2 could not do it. */
export const createRestarter =
  (pm2: Pm2): Restart =>
  async (cure, app, pid) => {
    if (cure === 'start') return bringBack(pm2, app);
    const seen = pid === null ? undefined : readProcess(pid);
    const restarted = pm2.restart(app.name);
    if (cure === 'forced' && pid !== null && seen)
      setTimeout(() => {
        if (readProcess(pid)?.startTicks === seen.startTicks) kill(pid);
      }, SIGKILL_AFTER_MS);
    await restarted;
  };

/** It may have died by itself just now, or be another user's: PM2 then goes on alone. */
const kill = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ESRCH or EPERM
  }
};

/** A restart during a backoff fails ("Process with pid N already exists"): stop first (docs/decisions.md: PM2). */
const bringBack = async (pm2: Pm2, app: AppDefinition): Promise<void> => {
  const view = await pm2.list();
  if (!view.ok) throw new Error(view.problem);
  const listed = view.apps.get(app.name);
  if (!listed) return pm2.start(app);
  if (listed.status === 'stopped') return;
  if (listed.status !== 'online') await pm2.stop(app.name).catch(() => {});
  await pm2.restart(app.name);
};
