import { readSettings } from '../host/config-file.ts';
import { locateHome } from '../host/home.ts';
import { dismissOrphans } from '../host/orphans.ts';
import { deleteApps, listOwnApps } from '../monitor/pm2.ts';

/** `steadyport stop`: what PM2 has, and what has outlived its PM2 daemon. Says so when there is nothing to stop. */
export const run = async (): Promise<number> => {
  const { pm2Home, configPath, home } = readSettings();
  const names = [...(await listOwnApps(pm2Home, configPath)).keys()];
  await deleteApps(pm2Home, names);
  const { left, silent } = await dismissOrphans(locateHome(home), configPath);
  if (left.length > 0) process.stdout.write(`Stopped what had lost its PM2 daemon: ${left.join(', ')}.\n`);
  for (const { what, pid } of silent)
    process.stderr.write(
      `steadyport: ${what} still runs and does not answer${pid === undefined ? '' : `; end it with: kill -9 ${pid}`}\n`,
    );
  if (names.length + left.length + silent.length === 0)
    process.stdout.write(`PM2 runs nothing of ${configPath}.\n`);
  return silent.length === 0 ? 0 : 1;
};
