import { setImmediate as nextTurn } from 'node:timers/promises';
import { readUsage } from './procfs.ts';

/** The resource usage of this process and of the PM2 daemon. */
export interface ProcessUsage {
  readonly own: ReturnType<typeof readUsage>;
  /** The time that the event loop took to reach its next turn, in milliseconds. */
  readonly eventLoopLagMs: number;
  /** The usage of the PM2 daemon; null when none is known. */
  readonly pm2: ReturnType<typeof readUsage> | null;
}

export const readProcessUsage = async (daemonPid: number | null): Promise<ProcessUsage> => {
  const startedAt = performance.now();
  await nextTurn();
  const eventLoopLagMs = performance.now() - startedAt;
  return {
    own: readUsage(process.pid),
    eventLoopLagMs,
    pm2: daemonPid === null ? null : readUsage(daemonPid),
  };
};
