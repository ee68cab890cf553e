import { isMissing, realPath } from '../../config/project/real-path.ts';
import { readProjectRecord } from '../../config/project/record.ts';
import { readSettings, type Settings } from '../../config/settings.ts';
import { quoteForShell } from '../../lib/command-lines.ts';
import { listOwnApps, Pm2Failure } from '../../pm2/client.ts';
import { locateStateDir } from '../../system/state-dir.ts';
import { refuseOtherConfig } from '../refuse-other-config.ts';
import { runExclusively } from './exclusive.ts';
import { stopOrphans } from './orphans.ts';
import { withPm2Failure } from './pm2-failure.ts';
import { deleteApps } from './teardown.ts';

/**
 * `steadyport stop` stops the apps that PM2 has and the processes that have outlived their PM2 daemon.
 * @returns 1 when a process, or PM2, does not answer, or another command does not let this one begin, otherwise 0
 */
export const run = async (): Promise<number> => {
  const settings = readSettings();
  await refuseOtherConfig(settings, 'stop');
  return withPm2Failure(1, () => runExclusively(settings.pm2Home, stop));
};

/** The same, for a command that runs exclusively already. */
export const stop = async (): Promise<number> => {
  const settings = readSettings();
  const { pm2Home, project, configPath } = settings;
  const stateDir = locateStateDir(project.stateDir);
  const apps = await listOwnApps(pm2Home, settings, 'npm stop');
  await deleteApps(pm2Home, stateDir, project.monitorApp, apps);
  const { exited, unresponsive } = await stopOrphans(stateDir);
  if (exited.length > 0)
    process.stdout.write(`Stopped what had lost its PM2 daemon: ${exited.join(', ')}.\n`);
  for (const { processName, pid } of unresponsive) {
    const advice = pid === undefined ? '' : `; end it with: kill -9 ${pid}`;
    process.stderr.write(`steadyport: ${processName} still runs and does not answer${advice}\n`);
  }
  if (apps.size + exited.length + unresponsive.length === 0)
    process.stdout.write(
      `PM2 runs nothing of ${configPath}${isMissing(configPath) ? ', which does not exist' : ''}${await describeOtherPm2(settings)}.\n`,
    );
  return unresponsive.length === 0 ? 0 : 1;
};

/** Names the PM2 of the last start, when it is another one, and has apps of the project or does not say; empty otherwise. */
const describeOtherPm2 = async (settings: Settings): Promise<string> => {
  const other = readProjectRecord(settings.project.stateDir)?.pm2Home;
  return other === undefined ||
    realPath(other) === realPath(settings.pm2Home) ||
    !(await hasApps(other, settings))
    ? ''
    : `; the last start was in another PM2: PM2_HOME=${quoteForShell(other)} npm stop`;
};

const hasApps = async (pm2Home: string, settings: Settings): Promise<boolean> => {
  try {
    return (await listOwnApps(pm2Home, settings, 'npm stop')).size > 0;
  } catch (error) {
    if (!(error instanceof Pm2Failure)) throw error;
    return true;
  }
};
