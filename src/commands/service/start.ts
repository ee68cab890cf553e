import { join } from 'node:path';
import { requireConfig, requireSecrets } from '../../config/load.ts';
import { ROOT } from '../../config/project-root.ts';
import { listOwnApps, pm2Command } from '../../pm2/client.ts';
import { pm2Apps, REVISION } from '../../pm2/ecosystem.ts';
import { locateHome, requireFolder } from '../../system/state-dir.ts';
import { deleteApps } from './teardown.ts';

/**
 * `steadyport start`: apps that are no longer in the config go, those that changed or do not run are started
 * anew, and the others are left alone (`pm2 start ecosystem.config.js` would restart every one).
 */
export const run = async (): Promise<number> => {
  const { config, settings } = requireConfig();
  for (const warning of requireSecrets(settings).warnings) process.stderr.write(`steadyport: ${warning}\n`);
  requireFolder('PM2_HOME', settings.pm2Home);
  requireFolder('STEADYPORT_HOME', settings.home);
  const apps = pm2Apps(config, settings);
  const listed = await listOwnApps(settings.pm2Home, settings.configPath);
  const isCurrent = (name: string): boolean => {
    const running = listed.get(name);
    const wanted = apps.find((app) => app.name === name)?.env[REVISION];
    return running?.word === 'online' && wanted !== undefined && running.env[REVISION] === wanted;
  };
  const outdated = new Map([...listed].filter(([name]) => !isCurrent(name)));
  await deleteApps(settings.pm2Home, locateHome(settings.home), outdated);
  const wanted = apps.map(({ name }) => name).filter((name) => !isCurrent(name));
  if (wanted.length === 0) {
    process.stdout.write('Everything runs as configured; nothing was touched.\n');
    return 0;
  }
  return pm2Command(['start', join(ROOT, 'ecosystem.config.js'), '--only', wanted.join(',')]);
};
