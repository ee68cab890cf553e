import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { readInteger } from '../files.ts';
import { readUsage } from './procfs.ts';

/** What this process and the PM2 daemon use; null where there is no such process. */
export interface ProcessUsage {
  readonly own: ReturnType<typeof readUsage>;
  /** How long the next turn of the event loop took to come: what waited before it. */
  readonly lagMs: number;
  readonly pm2: ReturnType<typeof readUsage> | null;
}

export const readProcessUsage = async (pm2Home: string): Promise<ProcessUsage> => {
  const startedAt = performance.now();
  await nextTurn();
  const lagMs = performance.now() - startedAt;
  const daemonPid = readInteger(join(pm2Home, 'pm2.pid'));
  return { own: readUsage(process.pid), lagMs, pm2: daemonPid === undefined ? null : readUsage(daemonPid) };
};
