import { join } from 'node:path';
import type { ParsedArgs } from 'minimist';
import type { Config } from '../../config/config.ts';
import { type LoadedConfig, requireConfig } from '../../config/load.ts';
import { requireSecrets } from '../../config/load-secrets.ts';
import { type Settings, USE_ACCEPTED } from '../../config/project/environment.ts';
import { forgetCrashes, recentlyCrashedPorts } from '../../monitor/health-store.ts';
import type { AppDefinition } from '../../pm2/apps.ts';
import { listOwnApps, type Pm2App, runPm2Command } from '../../pm2/client.ts';
import { requireShortPm2Home, START } from '../../pm2/daemon.ts';
import { definePm2Apps, REVISION } from '../../pm2/ecosystem.ts';
import { makeRelease } from '../../release/release.ts';
import { renderBrief, renderBriefProxies } from '../../status/render.ts';
import { acceptConfig } from '../../system/project/accept-config.ts';
import { makeStateDir, requireFolder, type StateDir } from '../../system/state-dir.ts';
import { commandLine } from '../command-line.ts';
import { warnOfKeptOptions } from '../npm-options.ts';
import { columnsOf, paint, warn, withOwnCommands } from '../terminal.ts';
import { claimProject } from './claim.ts';
import { runExclusively } from './exclusive.ts';
import { withPm2Failure } from './pm2-failure.ts';
import { describeSavedApps, removeOldReleases } from './releases.ts';
import {
  hasComeUp,
  isAnotherMonitor,
  type Outcome,
  START_WAIT_MS,
  waitForVerdicts,
} from './start-outcome.ts';
import { deleteApps } from './teardown.ts';

/**
 * `steadyport start` brings PM2 in line with the config. Apps that are no longer in the config are deleted, apps that have
 * changed or do not run are started anew, and all others stay as they are (`pm2 start ecosystem.config.js` would restart
 * every app). It prints what works now, and what does not.
 * A start on a busy machine is waited for; what is still starting after 30 s is said to be so.
 * @returns 0 when the monitor and every proxy run. An upstream that is down, or a port that another process holds, is no
 * failed start: either may be mended in any order. 1 when one of them did not come up in time, or could bind no address, or when another
 * command does not let this one begin; 4 when PM2 itself failed.
 */
export const run = (args: ParsedArgs): Promise<number> => withPm2Failure(PM2_FAILED, () => start(args));

const start = async (args: ParsedArgs): Promise<number> => {
  const loaded = requireConfig();
  const { settings } = loaded;
  warnOfKeptOptions('start', ['take-over'], settings);
  for (const warning of requireSecrets(settings).warnings) warn(warning);
  requireShortPm2Home(settings.pm2Home);
  requireFolder('PM2_HOME', settings.pm2Home);
  const stateDir = makeStateDir(settings.project.stateDir);
  return runExclusively(settings.pm2Home, () => bringInLine(loaded, stateDir, args['take-over'] === true));
};

const bringInLine = async (loaded: LoadedConfig, stateDir: StateDir, takeOver: boolean): Promise<number> => {
  const { settings } = loaded;
  const { pm2Home, project, appEnv, home } = settings;
  const config = await claimProject(loaded, { takeOver, isDryRun: false });
  const release = makeRelease(home);
  const apps = definePm2Apps(config, settings, release);
  const listedApps = await listOwnApps(pm2Home, appEnv, START);
  const outdated = new Set(apps.filter((app) => !isCurrent(app, listedApps.get(app.name))).map(nameOf));
  const crashedIds = selectCrashed(config, stateDir, outdated);
  // The monitor remembers the crashes of each proxy, so it is replaced with them.
  if (crashedIds.length > 0) outdated.add(project.monitorApp);
  const names = apps.map(nameOf);
  // From here on PM2 brings back by the new config what dies.
  acceptConfig({ ...loaded, config });
  const isKept = (name: string): boolean => names.includes(name) && !outdated.has(name);
  await deleteApps(
    pm2Home,
    stateDir,
    project.monitorApp,
    new Map([...listedApps].filter(([name]) => !isKept(name))),
  );
  if (crashedIds.length > 0) forgetCrashes(stateDir.monitorStateFile, crashedIds, warn);
  const namesToStart = names.filter((name) => outdated.has(name));
  if (namesToStart.length === 0) {
    process.stdout.write('Everything runs as configured; nothing was touched.\n');
  } else {
    process.stdout.write(`Starting: ${namesToStart.join(', ')}\n`);
    const args = ['start', join(release.folder, 'ecosystem.config.js'), '--only', namesToStart.join(',')];
    const variables = { ...appEnv, ...USE_ACCEPTED };
    const { exitCode, output } = await runPm2Command(release.folder, args, variables);
    if (exitCode !== 0) {
      process.stderr.write(output);
      return PM2_FAILED;
    }
  }
  const print = (text: string): boolean => process.stdout.write(withOwnCommands(text, settings));
  let printed: readonly string[] = [];
  const outcome = await waitForVerdicts(config, settings, (first) => {
    printed = names.filter((name) => !first.starting.includes(name));
    print(renderFirst(first, settings));
  });
  print(`${renderOutcome(outcome, printed, settings)}${describeSavedApps(settings, release)}`);
  await removeOldReleases(settings, release);
  return hasComeUp(outcome, project, apps) ? 0 : 1;
};

const nameOf = ({ name }: AppDefinition): string => name;

/** True when PM2 runs the app as it is configured now. */
const isCurrent = ({ env, cwd }: AppDefinition, listed: Pm2App | undefined): boolean =>
  listed?.status === 'online' && listed.env[REVISION] === env[REVISION] && listed.launch?.folder === cwd;

/** The ids of those proxies to be replaced whose processes have crashed of late. */
const selectCrashed = (
  { proxies }: Config,
  { monitorStateFile }: StateDir,
  outdated: ReadonlySet<string>,
): readonly string[] => {
  const crashed = recentlyCrashedPorts(monitorStateFile);
  return proxies.filter(({ id, name }) => outdated.has(name) && crashed.includes(id)).map(({ id }) => id);
};

/** Of its own, since PM2's exit code for every failure is 1. */
const PM2_FAILED = 4;

/** What is known while some apps are still starting, and which these are. */
const renderFirst = ({ snapshot, starting }: Outcome, settings: Settings): string => {
  const proxies = snapshot.proxies.filter(({ name }) => !starting.includes(name));
  const waiting = `Still starting, for which this waits up to ${START_WAIT_MS / 1_000} s: ${starting.join(', ')}`;
  return `${renderBriefProxies({ ...snapshot, proxies }, columnsOf(settings), paint, Date.now())}${waiting}\n`;
};

/** @param printed the apps that {@link renderFirst} has shown */
const renderOutcome = (outcome: Outcome, printed: readonly string[], settings: Settings): string => {
  const { starting, snapshot } = outcome;
  const logsOfMonitor = commandLine(settings, 'logs', 'monitor');
  const monitorState = starting.includes(settings.project.monitorApp)
    ? 'is still starting'
    : 'did not come up';
  const proxies = snapshot.proxies.filter(({ name }) => !printed.includes(name));
  const monitorProblem =
    snapshot.monitor === null && snapshot.monitorProblem === null
      ? `it ${monitorState}; see why: ${logsOfMonitor}`
      : snapshot.monitorProblem;
  const shown = { ...snapshot, proxies, monitorProblem };
  const brief = renderBrief(shown, columnsOf(settings), paint, Date.now());
  const waiting = isAnotherMonitor(outcome, settings.project)
    ? `! ${settings.project.monitorApp}  waits until another monitor leaves, pid ${snapshot.monitor?.pid}: ${logsOfMonitor}\n`
    : '';
  const undecided =
    starting.length > 0
      ? `! Not decided after ${START_WAIT_MS / 1_000} s: ${starting.join(', ')}; the status shows how it goes on\n`
      : '';
  return `${brief}${waiting}${undecided}\nNext: ${commandLine(settings, 'status')}  or  ${commandLine(settings, 'logs')}\n`;
};
