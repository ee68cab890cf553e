import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { readInteger } from '../files.ts';
import { readUsage } from './procfs.ts';

/** The resource usage of this process and of the PM2 daemon. */
export interface ProcessUsage {
  readonly own: ReturnType<typeof readUsage>;
  /** The time that the event loop took to reach its next turn, in milliseconds. */
  readonly eventLoopLagMs: number;
  /** The usage of the PM2 daemon; null when PM2 has no pid file. */
  readonly pm2: ReturnType<typeof readUsage> | null;
}

export const readProcessUsage = async (pm2Home: string): Promise<ProcessUsage> => {
  const startedAt = performance.now();
  await nextTurn();
  const eventLoopLagMs = performance.now() - startedAt;
  const daemonPid = readInteger(join(pm2Home, 'pm2.pid'));
  return {
    own: readUsage(process.pid),
    eventLoopLagMs,
    pm2: daemonPid === undefined ? null : readUsage(daemonPid),
  };
};
