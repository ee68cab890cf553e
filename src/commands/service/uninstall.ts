import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Config } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { readAccepted } from '../../config/project/accepted.ts';
import { PROJECTS_FOLDER } from '../../config/project/identity.ts';
import { ROOT } from '../../config/project-root.ts';
import { readSettings, type Settings } from '../../config/settings.ts';
import { npmCommand, pm2Command, quoteForShell } from '../../lib/command-lines.ts';
import { isUsageError } from '../../lib/usage-error.ts';
import { SYSTEM_RULE, USER_RULE } from '../../logging/logrotate-rule.ts';
import { createPm2, listOwnApps } from '../../pm2/client.ts';
import { removeSavedApps } from '../../pm2/dump.ts';
import { defaultLogPaths } from '../../pm2/log-paths.ts';
import { releasesFolder } from '../../release/release.ts';
import { removeEmptyFolder } from '../../system/files.ts';
import { locateStateDir, removeSharedFiles, removeStateDir } from '../../system/state-dir.ts';
import { listOtherProjects } from '../other-projects.ts';
import { refuseOtherConfig } from '../refuse-other-config.ts';
import { runExclusively } from './exclusive.ts';
import { withPm2Failure } from './pm2-failure.ts';
import { removeReleases } from './releases.ts';
import { stop } from './stop.ts';

/**
 * `steadyport uninstall` deletes the apps from PM2 and from its saved lists, and removes the state. It prints what remains.
 * @returns 1 when something could not be stopped or a saved list not changed, or another command does not let this one begin,
 * otherwise 0
 */
export const run = async (): Promise<number> => {
  const settings = readSettings();
  await refuseOtherConfig(settings, 'uninstall');
  return withPm2Failure(1, () => runExclusively(settings.pm2Home, () => uninstall(settings)));
};

const uninstall = async (settings: Settings): Promise<number> => {
  const { pm2Home, home, project } = settings;
  const { stateDir } = project;
  const configured = configuredApps(settings);
  const listedApps = await listOwnApps(pm2Home, settings, npmCommand('uninstall'));
  if ((await stop()) !== 0) {
    process.stderr.write('steadyport: nothing was removed, since not everything could be stopped\n');
    return 1;
  }
  const { names, problems } = removeSavedApps(pm2Home, settings);
  const others = await listOtherProjects(settings);
  // The rule is for the logs of all projects.
  const isLast = others.length === 0;
  const hadUserRule = isLast && existsSync(join(home, USER_RULE));
  const releases = releasesFolder(home);
  const accessLogsFolder = locateStateDir(stateDir).logsFolder;
  const users = await removeReleases(settings);
  if (isLast) removeSharedFiles(home);
  const remainingFiles = (await removeStateDir(stateDir)).filter(
    (name) => ![basename(accessLogsFolder), basename(releases), PROJECTS_FOLDER].includes(name),
  );
  removeEmptyFolder(join(home, PROJECTS_FOLDER));
  removeEmptyFolder(home);
  for (const problem of problems) process.stderr.write(`steadyport: ${problem}\n`);

  const appNames = new Set([...listedApps.keys(), ...names, ...configured]);
  const appLogPaths = [...appNames].flatMap((name) =>
    Object.values(listedApps.get(name)?.logs ?? defaultLogPaths(pm2Home, name)),
  );
  const logPaths = [accessLogsFolder, ...appLogPaths].filter((path) => existsSync(path));
  const removed = [
    ...(listedApps.size > 0 ? ['the PM2 apps'] : []),
    ...(names.length > 0 ? ["the entries in PM2's saved list"] : []),
    `the state in ${stateDir}`,
  ];
  process.stdout.write(`Removed: ${removed.join(', ')}.\nWhat remains:\n`);
  const remains = [
    ...others.map(({ name, configPath }) => `the project ${name}, with the config ${configPath}`),
    ...describeFiles(settings, remainingFiles, logPaths, hadUserRule),
    ...describeReleases(settings, users),
    ...(await describeDaemon(settings)),
    `PM2's start at boot, if you set that up; undo it with: ${pm2Command('unstartup')}`,
  ];
  for (const line of remains) process.stdout.write(`  ${line}\n`);
  return problems.length === 0 ? 0 : 1;
};

const describeFiles = (
  { configPath, project: { stateDir } }: Settings,
  remainingFiles: readonly string[],
  logPaths: readonly string[],
  hadUserRule: boolean,
): readonly string[] => {
  const lines = [`the checkout ${ROOT}, and the config ${configPath}`];
  if (remainingFiles.length > 0)
    lines.push(`in ${stateDir}, not steadyport's or in use: ${remainingFiles.join(', ')}`);
  if (logPaths.length > 0) lines.push(`the logs of the apps: ${logPaths.join(', ')}`);
  if (existsSync(SYSTEM_RULE)) lines.push(`logrotate's rule; remove it with: rm ${SYSTEM_RULE}`);
  if (hadUserRule) lines.push('the line for logrotate in your crontab, if you put it there: crontab -e');
  return lines;
};

/** @param users the pids of the processes that run from a release */
const describeReleases = ({ home }: Settings, users: readonly number[]): readonly string[] => {
  const releases = releasesFolder(home);
  if (!existsSync(releases)) return [];
  const use = users.length > 0 ? `from which ${describePids(users)}` : "which PM2's lists name";
  return [`a copy of the code, ${use}; when nothing needs it any more: rm -r ${quoteForShell(releases)}`];
};

/** "pid 7 runs", "pids 7, 8 run" */
const describePids = (pids: readonly number[]): string =>
  pids.length === 1 ? `pid ${pids[0]} runs` : `pids ${pids.join(', ')} run`;

/** The monitor, and the proxies of the accepted config and of the file; a broken file must not prevent the removal. */
const configuredApps = (settings: Settings): readonly string[] => {
  const { stateDir, monitorApp } = settings.project;
  const reading = readAccepted(stateDir);
  const configs = [...(reading.kind === 'ok' ? [reading.accepted.config] : []), ...readFile(settings)];
  return [
    ...configs.flatMap(({ proxies, disabled }) => [...proxies, ...disabled].map(({ name }) => name)),
    monitorApp,
  ];
};

const readFile = (settings: Settings): readonly Config[] => {
  try {
    return [loadConfig(settings).config];
  } catch (error) {
    if (isUsageError(error)) return [];
    throw error;
  }
};

/** Says that the PM2 daemon still runs, and how many apps of others it has; empty without a daemon. */
const describeDaemon = async ({ pm2Home }: Settings): Promise<readonly string[]> => {
  const pm2 = createPm2(pm2Home);
  const view = await pm2.list();
  pm2.close();
  if (!view.ok) return [];
  const count = view.apps.size;
  const workText =
    count === 0
      ? `with nothing to run; end it with: ${pm2Command('kill')}`
      : `with ${count} other app${count === 1 ? '' : 's'}`;
  return [`the PM2 daemon of ${pm2Home} (pid ${view.daemonPid}), ${workText}`];
};
