import { readSettings } from '../../config/settings.ts';
import { listOwnApps } from '../../pm2/client.ts';
import { locateStateDir } from '../../system/state-dir.ts';
import { stopOrphans } from './orphans.ts';
import { deleteApps } from './teardown.ts';

/** `steadyport stop`: what PM2 has, and what has outlived its PM2 daemon. Says so when there is nothing to stop. */
export const run = async (): Promise<number> => {
  const { pm2Home, configPath, stateDir: stateDirPath } = readSettings();
  const stateDir = locateStateDir(stateDirPath);
  const apps = await listOwnApps(pm2Home, configPath);
  await deleteApps(pm2Home, stateDir, apps);
  const { exited, unresponsive } = await stopOrphans(stateDir, configPath);
  if (exited.length > 0)
    process.stdout.write(`Stopped what had lost its PM2 daemon: ${exited.join(', ')}.\n`);
  for (const { processName, pid } of unresponsive)
    process.stderr.write(
      `steadyport: ${processName} still runs and does not answer${pid === undefined ? '' : `; end it with: kill -9 ${pid}`}\n`,
    );
  if (apps.size + exited.length + unresponsive.length === 0)
    process.stdout.write(`PM2 runs nothing of ${configPath}.\n`);
  return unresponsive.length === 0 ? 0 : 1;
};
