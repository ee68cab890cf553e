import { readSettings } from '../../config/settings.ts';
import { listOwnApps } from '../../pm2/client.ts';
import { locateHome } from '../../system/state-dir.ts';
import { dismissOrphans } from './orphans.ts';
import { deleteApps } from './teardown.ts';

/** `steadyport stop`: what PM2 has, and what has outlived its PM2 daemon. Says so when there is nothing to stop. */
export const run = async (): Promise<number> => {
  const { pm2Home, configPath, home: path } = readSettings();
  const home = locateHome(path);
  const apps = await listOwnApps(pm2Home, configPath);
  await deleteApps(pm2Home, home, apps);
  const { left, silent } = await dismissOrphans(home, configPath);
  if (left.length > 0) process.stdout.write(`Stopped what had lost its PM2 daemon: ${left.join(', ')}.\n`);
  for (const { what, pid } of silent)
    process.stderr.write(
      `steadyport: ${what} still runs and does not answer${pid === undefined ? '' : `; end it with: kill -9 ${pid}`}\n`,
    );
  if (apps.size + left.length + silent.length === 0)
    process.stdout.write(`PM2 runs nothing of ${configPath}.\n`);
  return silent.length === 0 ? 0 : 1;
};
