import { setTimeout as sleep } from 'node:timers/promises';
import type { ParsedArgs } from 'minimist';
import type { Config } from '../../config/config.ts';
import { type LoadedConfig, loadConfig } from '../../config/load.ts';
import { requireSecrets } from '../../config/load-secrets.ts';
import { acceptedVariables, optionsOfNpm, readSettings, type Settings } from '../../config/settings.ts';
import { isUsageError, UsageError } from '../../lib/usage-error.ts';
import { forgetCrashes, recentlyCrashedPorts } from '../../monitor/health-store.ts';
import type { AppDefinition } from '../../pm2/apps.ts';
import { listOwnApps, type Pm2App } from '../../pm2/client.ts';
import { requireShortPm2Home, START } from '../../pm2/daemon.ts';
import { definePm2Apps } from '../../pm2/ecosystem.ts';
import { launchSettingsFor } from '../../pm2/launch.ts';
import { locateRelease, makeRelease, type Release } from '../../release/release.ts';
import { renderBrief, renderBriefProxies } from '../../status/render.ts';
import type { ProxyStatus } from '../../status/snapshot.ts';
import { matchesQuery } from '../../status/summary.ts';
import { acceptConfig } from '../../system/project/accept-config.ts';
import { locateStateDir, makeStateDir, requireFolder, type StateDir } from '../../system/state-dir.ts';
import { commandLine } from '../command-line.ts';
import { describeRest } from '../config-drift.ts';
import { refuseKeptOptions } from '../npm-options.ts';
import { columnsOf, paint, warn, withOwnCommands } from '../terminal.ts';
import { claimProject } from './claim.ts';
import { runExclusively } from './exclusive.ts';
import { withPm2Failure } from './pm2-failure.ts';
import { describeSavedApps, removeOldReleases } from './releases.ts';
import { announcePlan, countConnections, namesOfEnded, withOrphans } from './start/announce.ts';
import { executePlan } from './start/execute.ts';
import { findProgram } from './start/find-program.ts';
import { isDone, type Plan, planStart, runningApps } from './start/plan.ts';
import {
  hasComeUp,
  isAnotherMonitor,
  type Outcome,
  START_WAIT_MS,
  waitForVerdicts,
} from './start-outcome.ts';

/**
 * `steadyport start [NAME…]` makes PM2 run what the config says (docs/decisions.md: ADR-0051). It replaces what differs, deletes
 * what is no longer in the config, starts what is missing, and leaves alone what runs as configured and what an operator
 * stopped. It says all of it before it does it, waits until the ports are up, and prints what works now and what does not; what is
 * still starting after 30 s is said to be so.
 * With names it is about these apps and the monitor alone, and starts them although they were stopped. With `--dry-run` it only
 * says what it would do.
 * @returns 0 when the monitor and every proxy run that is to. An upstream that is down, or a port that another process holds, is
 * no failed start: either may be mended in any order. 1 when one of them did not come up in time, when the system lets a proxy
 * have none of its addresses, or when another command does not let this one begin; in a dry run when there is a difference. 4
 * when PM2 itself failed
 */
export const run = (args: ParsedArgs): Promise<number> =>
  withPm2Failure(PM2_FAILED, () => {
    // npm keeps the option of `npm start --dry-run`, and a start would be a poor answer to it.
    const isDryRun = args['dry-run'] || optionsOfNpm(['dry-run']).length > 0;
    const takeOver = args['take-over'] === true;
    return isDryRun ? showPlan(args._, takeOver) : start(args._, takeOver);
  });

/** The exit code when PM2 fails. PM2's own is 1 for every failure, which means something else here. */
const PM2_FAILED = 4;

/** The config to start, and the apps that the command names. */
interface Request extends LoadedConfig {
  /** The apps that the command names; null for all. */
  readonly named: readonly string[] | null;
}

const start = async (names: readonly string[], takeOver: boolean): Promise<number> => {
  const read = readRequest(names);
  const { settings } = read;
  requireFolder('PM2_HOME', settings.pm2Home);
  return runExclusively(settings.pm2Home, async () => {
    const claim = await claimProject(read, takeOver);
    const stateDir = makeStateDir(settings.project.stateDir);
    const request = { ...read, config: claim.config };
    const release = makeRelease(settings.home);
    const apps = definePm2Apps(request.config, settings, release);
    const plan = await makePlan(request, apps, stateDir);
    await say(plan, claim.moves, stateDir, settings);
    // From here on PM2 brings back by the new config what dies.
    acceptConfig(request);
    await claim.carryOut();
    await execute(plan, apps, request, stateDir, release);
    const exitCode = await waitAndTell(plan, apps, request, release);
    await removeOldReleases(settings, release);
    return exitCode;
  });
};

const showPlan = async (names: readonly string[], takeOver: boolean): Promise<number> => {
  const read = readRequest(names);
  const claim = await claimProject(read, takeOver);
  const request = { ...read, config: claim.config };
  const { config, settings } = request;
  const stateDir = locateStateDir(settings.project.stateDir);
  const apps = definePm2Apps(config, settings, locateRelease(settings.home));
  const plan = await makePlan(request, apps, stateDir);
  await say(plan, claim.moves, stateDir, settings);
  if (isDone(plan) && claim.moves === '') return 0;
  const options = takeOver ? ['--take-over'] : [];
  process.stdout.write(
    `Nothing was touched; to do it: ${commandLine(settings, 'start', ...names, ...options)}\n`,
  );
  return 1;
};

const readRequest = (names: readonly string[]): Request => {
  const ownSettings = readSettings();
  refuseKeptOptions('start', ['take-over'], ownSettings);
  const { loaded, warnings } = requireSources(ownSettings);
  const { config, settings } = loaded;
  for (const warning of warnings) warn(warning);
  requireShortPm2Home(settings.pm2Home);
  return { ...loaded, named: names.length === 0 ? null : selectApps(config, settings, names) };
};

/** @throws UsageError with the mistakes of the config, or of `.env`, and that what runs goes on without them */
const requireSources = (settings: Settings) => {
  try {
    return { loaded: loadConfig(settings), warnings: requireSecrets(settings).warnings };
  } catch (error) {
    if (!isUsageError(error)) throw error;
    throw new UsageError([error.message, ...describeRest(settings), 'Nothing was touched.'].join('\n'), {
      cause: error,
    });
  }
};

/** @throws UsageError for a name that means no app */
const selectApps = (
  { proxies, disabled }: Config,
  settings: Settings,
  names: readonly string[],
): readonly string[] =>
  names.flatMap((name) => {
    const { monitorApp } = settings.project;
    const isMonitor = [monitorApp, 'monitor'].includes(name.toLowerCase());
    const found = proxies.filter((proxy) => matchesQuery(proxy, name)).map((proxy) => proxy.name);
    const selected = [...found, ...(isMonitor ? [monitorApp] : [])];
    const all = [...proxies.map((proxy) => proxy.name), monitorApp];
    if (selected.length === 0 && disabled.some((proxy) => matchesQuery(proxy, name)))
      throw new UsageError(
        `"${name}" is disabled in the config: expected a proxy without "enabled": false; ` +
          `take that out of its entry, and then: ${commandLine(settings, 'start', name)}`,
      );
    if (selected.length === 0) throw new UsageError(`no app "${name}"; there is: ${all.join(', ')}`);
    return selected;
  });

const makePlan = async (
  { config, settings, named }: Request,
  apps: readonly AppDefinition[],
  { monitorStateFile }: StateDir,
): Promise<Plan> => {
  requireInterpreter(apps);
  const listed = await listSettledApps(settings);
  const crashedIds = recentlyCrashedPorts(monitorStateFile);
  const crashed = config.proxies.filter(({ id }) => crashedIds.includes(id)).map(({ name }) => name);
  return planStart({
    apps,
    disabled: config.disabled.map(({ name }) => name),
    listed,
    monitorApp: settings.project.monitorApp,
    crashed,
    named,
    findProgram,
  });
};

/** @throws UsageError when no process could be started, and what runs would only be ended */
const requireInterpreter = (apps: readonly AppDefinition[]): void => {
  for (const app of apps) {
    const { interpreter, searchPath } = launchSettingsFor(app);
    const path = searchPath ?? '';
    if (interpreter !== null && findProgram(interpreter, path) === undefined)
      throw new UsageError(
        `PATH is ${JSON.stringify(path)}: expected a folder with ${interpreter}, by which PM2 starts ${app.name}; nothing was touched`,
      );
  }
};

/** As long as PM2 gives a process with the default drainMs to end. */
const MAX_STOPPING_MS = 12_000;
const LIST_INTERVAL_MS = 100;

/** The apps of the project, once none of them is ending any more: only then it is known whether it was stopped, or is restarted. */
const listSettledApps = async (settings: Settings): Promise<ReadonlyMap<string, Pm2App>> => {
  for (const startedAt = performance.now(); ; await sleep(LIST_INTERVAL_MS)) {
    const apps = await listOwnApps(settings.pm2Home, settings, START);
    const isEnding = [...apps.values()].some(({ status }) => status === 'stopping');
    if (!isEnding || performance.now() - startedAt > MAX_STOPPING_MS) return apps;
  }
};

/** @param moves the line on what is moved here from another PM2; empty when nothing is */
const say = async (plan: Plan, moves: string, stateDir: StateDir, settings: Settings): Promise<void> => {
  const told = await withOrphans(plan, stateDir);
  const text = moves + announcePlan(told, await countConnections(namesOfEnded(told), stateDir), settings);
  const rest =
    isDone(plan) && moves === '' ? 'Everything else runs as configured; nothing was touched.\n' : '';
  process.stdout.write(
    withOwnCommands(text + (text === '' ? UNCHANGED : rest) + describeShellProxies(settings), settings),
  );
};

/** Says how long ports of the shell's PROXIES are open; empty when there are none, or `.env` has some too. */
const describeShellProxies = ({ variables }: Settings): string =>
  acceptedVariables().PROXIES && variables.dotEnvProxies === undefined
    ? 'The ports of the variable PROXIES stay until the next start without it; for good: PROXIES in .env, or "proxies" of the config.\n'
    : '';

const UNCHANGED = 'Everything runs as configured; nothing was touched.\n';

const execute = (
  plan: Plan,
  apps: readonly AppDefinition[],
  { config, settings: { pm2Home, project, appEnv } }: Request,
  stateDir: StateDir,
  release: Release,
): Promise<void> => {
  const isRenewed = (name: string): boolean =>
    plan.some((step) => step.name === name && (step.action === 'start' || step.action === 'replace'));
  const renewedIds = config.proxies.filter(({ name }) => isRenewed(name)).map(({ id }) => id);
  return executePlan(plan, {
    pm2Home,
    stateDir,
    release,
    daemonEnv: appEnv,
    monitorApp: project.monitorApp,
    apps,
    onMonitorGone: () => {
      const crashed = recentlyCrashedPorts(stateDir.monitorStateFile);
      const forgotten = renewedIds.filter((id) => crashed.includes(id));
      if (forgotten.length > 0) forgetCrashes(stateDir.monitorStateFile, forgotten, warn);
    },
    say: (text) => process.stdout.write(`${text}\n`),
  });
};

const waitAndTell = async (
  plan: Plan,
  apps: readonly AppDefinition[],
  { config, settings }: Request,
  release: Release,
): Promise<number> => {
  const running = runningApps(plan);
  const left = plan.filter(({ action }) => action === 'leave').map(({ name }) => name);
  const isAwaited = ({ name }: { readonly name: string }): boolean => running.includes(name);
  // The monitor may not have looked yet at one that was left stopped.
  const withStopped = (proxy: ProxyStatus): ProxyStatus =>
    left.includes(proxy.name) ? { ...proxy, state: 'stopped', cause: null, pm2: 'stopped' } : proxy;
  const only = (outcome: Outcome): Outcome => {
    const proxies = outcome.snapshot.proxies.filter((proxy) => isAwaited(proxy) || left.includes(proxy.name));
    return { ...outcome, snapshot: { ...outcome.snapshot, proxies: proxies.map(withStopped) } };
  };
  const print = (text: string): boolean => process.stdout.write(withOwnCommands(text, settings));
  let printed: readonly string[] = [];
  const awaited = { ...config, proxies: config.proxies.filter(isAwaited) };
  const outcome = only(
    await waitForVerdicts(awaited, settings, (first) => {
      printed = [...running, ...left].filter((name) => !first.starting.includes(name));
      print(renderFirst(only(first), settings));
    }),
  );
  print(`${renderOutcome(outcome, printed, settings)}${describeSavedApps(settings, release)}`);
  return hasComeUp(outcome, settings.project, apps.filter(isAwaited)) ? 0 : 1;
};

/** Renders the apps that are decided, and names those that are still starting. */
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
