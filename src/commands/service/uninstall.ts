import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { MONITOR_APP } from '../../config/app-names.ts';
import { requireConfig } from '../../config/load.ts';
import { ROOT } from '../../config/project-root.ts';
import { readSettings, type Settings } from '../../config/settings.ts';
import { isUsageError } from '../../lib/usage-error.ts';
import { SYSTEM_RULE, USER_RULE } from '../../logging/logrotate-rule.ts';
import { createPm2, listOwnApps } from '../../pm2/client.ts';
import { removeSavedApps } from '../../pm2/dump.ts';
import { defaultLogPaths } from '../../pm2/log-paths.ts';
import { locateStateDir, removeStateDir } from '../../system/state-dir.ts';
import { run as stop } from './stop.ts';

/** `steadyport uninstall`: out of PM2, out of its saved lists, and no state. Says what remains. */
export const run = async (): Promise<number> => {
  const settings = readSettings();
  const { pm2Home, stateDir, configPath } = settings;
  const listedApps = await listOwnApps(pm2Home, configPath);
  if ((await stop()) !== 0) {
    process.stderr.write('steadyport: nothing was removed, since not everything could be stopped\n');
    return 1;
  }
  const { names, problems } = removeSavedApps(pm2Home, configPath);
  const hadUserRule = existsSync(join(stateDir, USER_RULE));
  const accessLogsFolder = locateStateDir(stateDir).logsFolder;
  const remaining = (await removeStateDir(stateDir)).filter((name) => name !== basename(accessLogsFolder));
  for (const problem of problems) process.stderr.write(`steadyport: ${problem}\n`);

  const appNames = new Set([...listedApps.keys(), ...names, ...configuredApps()]);
  const logPaths = [
    accessLogsFolder,
    ...[...appNames].flatMap((name) =>
      Object.values(listedApps.get(name)?.logs ?? defaultLogPaths(pm2Home, name)),
    ),
  ].filter((path) => existsSync(path));
  const savedNote = names.length > 0 ? ", their entries in PM2's saved list" : '';
  process.stdout.write(`Removed: the PM2 apps${savedNote}, and the state in ${stateDir}.\nWhat remains:\n`);
  for (const line of [
    `${ROOT} (this project), with the config ${configPath}`,
    ...(remaining.length > 0 ? [`in ${stateDir}, not steadyport's or in use: ${remaining.join(', ')}`] : []),
    ...(logPaths.length > 0 ? [`the logs of the apps: ${logPaths.join(', ')}`] : []),
    ...(existsSync(SYSTEM_RULE) ? [`logrotate's rule; remove it with: rm ${SYSTEM_RULE}`] : []),
    ...(hadUserRule ? ['the line for logrotate in your crontab, if you put it there: crontab -e'] : []),
    ...(await describeDaemon(settings)),
    "PM2's start at boot, if you set that up; undo it with: pm2 unstartup",
  ])
    process.stdout.write(`  ${line}\n`);
  return problems.length === 0 ? 0 : 1;
};

/** None when the config is broken: it is still to be uninstalled. */
const configuredApps = (): readonly string[] => {
  try {
    return [...requireConfig().config.proxies.map(({ name }) => name), MONITOR_APP];
  } catch (error) {
    if (isUsageError(error)) return [];
    throw error;
  }
};

const describeDaemon = async ({ pm2Home }: Settings): Promise<readonly string[]> => {
  const pm2 = createPm2(pm2Home);
  const view = await pm2.list();
  pm2.close();
  if (!view.ok) return [];
  const count = view.apps.size;
  const workText =
    count === 0
      ? 'with nothing to run; end it with: pm2 kill'
      : `with ${count} other app${count === 1 ? '' : 's'}`;
  return [`the PM2 daemon of ${pm2Home} (pid ${view.daemonPid}), ${workText}`];
};
