import { MONITOR } from '../core/apps.ts';
import { readSettings } from '../host/config-file.ts';
import { listOwnApps, pm2Command } from '../monitor/pm2.ts';

/** `steadyport stop`: the monitor first, or it would see the proxies go. Says so when there is nothing to stop. */
export const run = async (): Promise<number> => {
  const { pm2Home, configPath } = readSettings();
  const names = [...(await listOwnApps(pm2Home, configPath)).keys()];
  if (names.length === 0) process.stdout.write(`PM2 runs nothing of ${configPath}.\n`);
  names.sort((a, b) => Number(b === MONITOR) - Number(a === MONITOR));
  for (const name of names) if ((await pm2Command(['delete', name])) !== 0) return 1;
  return 0;
};
