import { join } from 'node:path';
import { requireConfig, requireSecrets } from '../../config/load.ts';
import { ROOT } from '../../config/project-root.ts';
import { listOwnApps, runPm2Command } from '../../pm2/client.ts';
import { definePm2Apps, REVISION } from '../../pm2/ecosystem.ts';
import { locateStateDir, requireFolder } from '../../system/state-dir.ts';
import { deleteApps } from './teardown.ts';

/**
 * `steadyport start` brings PM2 in line with the config. Apps that are no longer in the config are deleted, apps that have
 * changed or do not run are started anew, and all others stay as they are (`pm2 start ecosystem.config.js` would restart
 * every app).
 */
export const run = async (): Promise<number> => {
  const { config, settings } = requireConfig();
  for (const warning of requireSecrets(settings).warnings) process.stderr.write(`steadyport: ${warning}\n`);
  requireFolder('PM2_HOME', settings.pm2Home);
  requireFolder('STEADYPORT_HOME', settings.stateDir);
  const apps = definePm2Apps(config, settings);
  const listedApps = await listOwnApps(settings.pm2Home, settings.configPath);
  const isCurrent = (name: string): boolean => {
    const listedApp = listedApps.get(name);
    const expectedRevision = apps.find((app) => app.name === name)?.env[REVISION];
    return (
      listedApp?.statusText === 'online' &&
      expectedRevision !== undefined &&
      listedApp.env[REVISION] === expectedRevision
    );
  };
  const outdated = new Map([...listedApps].filter(([name]) => !isCurrent(name)));
  await deleteApps(settings.pm2Home, locateStateDir(settings.stateDir), outdated);
  const namesToStart = apps.map(({ name }) => name).filter((name) => !isCurrent(name));
  if (namesToStart.length === 0) {
    process.stdout.write('Everything runs as configured; nothing was touched.\n');
    return 0;
  }
  return runPm2Command(['start', join(ROOT, 'ecosystem.config.js'), '--only', namesToStart.join(',')]);
};
