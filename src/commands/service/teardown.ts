import { setTimeout as sleep } from 'node:timers/promises';
import { MONITOR } from '../../config/app-names.ts';
import { follow, type Leave, leavingOf } from '../../health/stop-deadline.ts';
import { createHeartbeat } from '../../ipc/heartbeat.ts';
import { UsageError } from '../../lib/usage-error.ts';
import { createPm2, type Pm2App } from '../../pm2/client.ts';
import { killSame } from '../../system/kill.ts';
import { processState } from '../../system/proc/process-state.ts';
import { readProcess } from '../../system/proc/procfs.ts';
import type { Home } from '../../system/state-dir.ts';

/**
 * Takes apps out of PM2, and says so: the monitor first, or it would see the proxies go; then all at once, since each
 * may take as long as its connections do. No monitor is there then to see to what hangs: this does.
 * @throws UsageError with what PM2 says
 */
export const deleteApps = async (
  pm2Home: string,
  home: Home,
  apps: ReadonlyMap<string, Pm2App>,
): Promise<void> => {
  const pm2 = createPm2(pm2Home);
  const remove = async ([name, { pid }]: readonly [string, Pm2App]): Promise<void> => {
    let isGone = false;
    const seeingOff = seeOff(pid, socketOf(home, name), () => isGone);
    await pm2
      .delete(name)
      .catch((error: Error) => {
        throw new UsageError(`${name} could not be taken out of PM2: ${error.message}`, { cause: error });
      })
      .finally(() => {
        isGone = true;
      });
    const how = (await seeingOff) ? '; it did not leave by itself, and was killed' : '';
    process.stdout.write(`Taken out of PM2: ${name}${how}\n`);
  };
  try {
    for (const app of apps) if (app[0] === MONITOR) await remove(app);
    await Promise.all([...apps].filter(([name]) => name !== MONITOR).map(remove));
  } finally {
    pm2.close();
  }
};

const socketOf = (home: Home, name: string): string =>
  name === MONITOR ? home.monitorSocket : home.port(name.replace(/^(tcp|unix)-proxy-/, '')).socket;

/** PM2 has sent its SIGINT by then; 2 s after the wish no port may be open. */
const LOOK_EVERY_MS = 100;
const ANSWER_TIMEOUT_MS = 300;

/** Kills a process that does not leave by itself while PM2 stops it; whether it had to. */
const seeOff = async (pid: number | null, socketPath: string, isGone: () => boolean): Promise<boolean> => {
  const born = pid === null ? undefined : readProcess(pid)?.startTicks;
  if (pid === null || born === undefined) return false;
  const heartbeat = createHeartbeat(socketPath, () => {});
  let leave: Leave | null = null;
  try {
    for (;;) {
      await sleep(LOOK_EVERY_MS);
      if (isGone()) return false;
      const state = processState(pid);
      const beat = state === 'stopped' ? undefined : await heartbeat.beat(ANSWER_TIMEOUT_MS);
      const leaver = {
        ...{ pm2: 'stopping' as const, process: state, heartbeat: beat?.state ?? ('unknown' as const) },
        ...{ pid, atMs: performance.now() },
      };
      leave = follow(leave, leaver);
      if (isGone()) return false;
      if (leavingOf(leave, leaver) === 'overdue') return killSame(pid, born);
    }
  } finally {
    heartbeat.close();
  }
};
