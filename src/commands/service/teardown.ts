import { setTimeout as sleep } from 'node:timers/promises';
import { proxyIdOf } from '../../config/app-names.ts';
import { type StopProgress, type StopSample, stoppingOf, trackStop } from '../../health/stop-deadline.ts';
import { createHeartbeat } from '../../ipc/heartbeat.ts';
import { createPm2, type Pm2, type Pm2App, Pm2Failure } from '../../pm2/client.ts';
import { killSameProcess } from '../../system/kill.ts';
import { readProcessState } from '../../system/proc/process-state.ts';
import { readProcess } from '../../system/proc/procfs.ts';
import type { StateDir } from '../../system/state-dir.ts';

/**
 * Deletes apps from PM2's list, and prints each. The monitor goes first, or it would report that the proxies go. The proxies
 * go together, since each may take as long as its connections do. Without the monitor, this function kills what hangs.
 * @throws Pm2Failure with PM2's message
 */
export const deleteApps = async (
  pm2Home: string,
  stateDir: StateDir,
  monitorApp: string,
  apps: ReadonlyMap<string, Pm2App>,
): Promise<void> => {
  const pm2 = createPm2(pm2Home);
  const remove = async ([name, app]: readonly [string, Pm2App]): Promise<void> => {
    const note = (await deleteApp(pm2, stateDir, monitorApp, name, app))
      ? '; it did not leave by itself, and was killed'
      : '';
    process.stdout.write(`Taken out of PM2: ${name}${note}\n`);
  };
  try {
    for (const app of apps) if (app[0] === monitorApp) await remove(app);
    await Promise.all([...apps].filter(([name]) => name !== monitorApp).map(remove));
  } finally {
    pm2.close();
  }
};

/**
 * Deletes one app from PM2's list, and kills its process when that hangs.
 * @returns true when it was killed
 * @throws Pm2Failure with PM2's message
 */
export const deleteApp = async (
  pm2: Pm2,
  stateDir: StateDir,
  monitorApp: string,
  name: string,
  { pid }: Pm2App,
): Promise<boolean> => {
  let isDeleted = false;
  const socket = name === monitorApp ? stateDir.monitorSocket : socketOf(stateDir, name);
  const killing = killIfOverdue(pid, socket, () => isDeleted);
  await pm2
    .delete(name)
    .catch((error: Error) => {
      throw new Pm2Failure(`${name} could not be taken out of PM2: ${error.message}`, { cause: error });
    })
    .finally(() => {
      isDeleted = true;
    });
  return killing;
};

const socketOf = (stateDir: StateDir, name: string): string =>
  stateDir.portFiles(proxyIdOf(name) ?? name).socket;

/** The first check comes when PM2 has sent its SIGINT. All ports must be closed 2 s after the command. */
const CHECK_INTERVAL_MS = 100;
const ANSWER_TIMEOUT_MS = 300;

/** Kills a process that does not exit by itself while PM2 stops it. @returns true when it had to */
const killIfOverdue = async (
  pid: number | null,
  socketPath: string,
  isDeleted: () => boolean,
): Promise<boolean> => {
  const startTicks = pid === null ? undefined : readProcess(pid)?.startTicks;
  if (pid === null || startTicks === undefined) return false;
  const heartbeat = createHeartbeat(socketPath, () => {});
  let progress: StopProgress | null = null;
  try {
    for (;;) {
      await sleep(CHECK_INTERVAL_MS);
      if (isDeleted()) return false;
      const state = readProcessState(pid);
      const reply = state === 'stopped' ? undefined : await heartbeat.beat(ANSWER_TIMEOUT_MS);
      const sample: StopSample = {
        pm2: 'stopping',
        process: state,
        heartbeat: reply?.state ?? 'unknown',
        pid,
        at: performance.now(),
      };
      progress = trackStop(progress, sample);
      if (isDeleted()) return false;
      if (stoppingOf(progress, sample) === 'overdue') return killSameProcess(pid, startTicks);
    }
  } finally {
    heartbeat.close();
  }
};
