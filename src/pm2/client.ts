/**
 * The room pm2: defines steadyport's PM2 apps, and talks to the PM2 daemon without ever starting one.
 * client.ts reads the list and acts over rpc.ts, event-bus.ts receives events, ecosystem.ts is what PM2 itself loads.
 */

import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pm2CommandEnv } from '../config/project/environment.ts';
import type { Pm2Evidence } from '../health/types.ts';
import { printable } from '../lib/printable.ts';
import { joinProblem } from '../status/monitor-problem.ts';
import { createDebug } from '../system/debug.ts';
import type { AppDefinition, AppsOwner } from './apps.ts';
import { describeUnreachable, type UnreachableDaemon } from './daemon.ts';
import { isOwnApp } from './ecosystem.ts';
import { createPm2EventBus, type Pm2Event, type Pm2EventBus } from './event-bus.ts';
import { type LaunchSettings, launchSettingsOf } from './launch.ts';
import type { LogPaths } from './log-paths.ts';
import { createPm2Rpc, type ListedApp, NO_DAEMON, type Pm2Api, UnreachableError } from './rpc.ts';

/** PM2's list of apps at one moment, or the problem that kept it from being read. */
export type Pm2View =
  | {
      readonly ok: true;
      /** Null when it cannot be determined which process answers. */
      readonly daemonPid: number | null;
      readonly apps: ReadonlyMap<string, Pm2App>;
    }
  | {
      readonly ok: false;
      readonly problem: string;
      /** The daemon, when there is one that cannot be asked. */
      readonly unreachable?: UnreachableDaemon;
    };

/** The problem of a view while PM2 has not answered yet. */
export const PENDING = 'it has not answered yet';

export interface Pm2App {
  readonly pid: number | null;
  readonly status: Pm2Evidence;
  /** The status as PM2 writes it, such as "waiting restart". */
  readonly statusText: string;
  /** Another text for each process that PM2 has begun to launch; missing in a list of no daemon. */
  readonly generation?: string;
  /** The files that PM2 writes the app's output to; missing when PM2 does not name them. */
  readonly logs?: LogPaths;
  /** What PM2 starts its process with; missing when PM2 does not name it. */
  readonly launch?: LaunchSettings;
  readonly env: Readonly<Record<string, unknown>>;
  /** PM2's number of it; missing when PM2 does not name it. */
  readonly pm2Id?: number;
  /** The other apps that PM2 has under the same name, as after `pm2 scale`; missing when there is none. This one runs if any does. */
  readonly copies?: readonly Pm2App[];
}

/** How many apps PM2 has under the name. */
export const countInstances = ({ copies = [] }: Pm2App): number => 1 + copies.length;

export interface Pm2 {
  /** Reads PM2's list within the time-out of {@link createPm2}. It never starts a daemon and never rejects. */
  list(): Promise<Pm2View>;
  /** The actions reject with PM2's error, or without an answer within ACTION_TIMEOUT_MS. */
  start(app: AppDefinition): Promise<void>;
  /** Not for an app that PM2 is launching, which is to be stopped first: PM2 would run it twice (docs/decisions.md: ADR-0015). */
  restart(name: string): Promise<void>;
  /** Stops it for good, also while PM2 is launching it. */
  stop(name: string): Promise<void>;
  /** Deletes it for good, also while PM2 is launching it. Rejects when PM2 has launched it again each time. */
  delete(name: string): Promise<void>;
  /** Deletes one of the copies of a name, which PM2 may bring back when it is launching it. */
  deleteCopy(pm2Id: number): Promise<void>;
  /** Makes the daemon reopen the log files of all apps by their names. */
  reloadLogs(): Promise<void>;
  /**
   * Delivers PM2's own events, from the next `list` on and while a daemon answers. A second call replaces the callbacks.
   * @param onConnect called each time when events come from then on: what happened before was not heard. Default: nobody is told
   */
  subscribe(onEvent: (event: Pm2Event) => void, onConnect?: () => void): void;
  close(): void;
}

const debug = createDebug('pm2');

export interface Pm2CommandResult {
  readonly exitCode: number;
  /** What it wrote to stdout and stderr, in the order in which it came. */
  readonly output: string;
}

/** PM2 failed at what a command needs of it. */
export class Pm2Failure extends Error {}

/** PM2's command line waits for its daemon without an end. On a busy machine a start of many apps takes tens of seconds. */
const COMMAND_TIMEOUT_MS = 120_000;

/**
 * Runs the command line of a release's PM2, in the release's folder: a daemon that it launches is of that package and keeps that
 * folder. Rejects when it cannot be started.
 * @param folder the folder of the release
 * @param variables of its environment, beside those of this process
 * @param timeoutMs when it is killed; its exit code is then 1, and its output says so. Default: COMMAND_TIMEOUT_MS
 */
export const runPm2Command = (
  folder: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
  timeoutMs = COMMAND_TIMEOUT_MS,
): Promise<Pm2CommandResult> =>
  new Promise((resolve, reject) => {
    const program = createRequire(join(folder, 'package.json')).resolve('pm2/bin/pm2');
    const child = spawn(process.execPath, [program, ...args], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: pm2CommandEnv(variables),
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    child.once('error', reject).once('close', (code) => {
      if (child.killed)
        output += `steadyport: "pm2 ${args[0]}" had not ended after ${timeoutMs / 1_000} s, and was killed; see pm2.log in PM2_HOME\n`;
      resolve({ exitCode: code ?? 1, output });
    });
  });

const LIST_TIMEOUT_MS = 2_000;
/** A command that changes something fails without the list, so it is more patient, as on a machine that is busy. */
export const COMMAND_LIST_TIMEOUT_MS = 10_000;
/**
 * Longer than kill_timeout and listen_timeout of one app together, with the default drainMs. An action on an app with a
 * longer drain may time out.
 */
const ACTION_TIMEOUT_MS = 30_000;
/** PM2 waits longer before each restart, so that one is cancelled soon. */
const MAX_STOP_ATTEMPTS = 10;

/**
 * A client of PM2. Each call goes to the daemon that runs at that moment, which may be another one than before.
 * @throws UsageError when no daemon can have this PM2_HOME (requireShortPm2Home of daemon.ts)
 * @param listTimeoutMs how long `list` waits for the answer. Default: LIST_TIMEOUT_MS
 */
export const createPm2 = (pm2Home: string, listTimeoutMs = LIST_TIMEOUT_MS): Pm2 => {
  const rpc = createPm2Rpc(pm2Home);
  let bus: Pm2EventBus | undefined;

  const list = async (): Promise<Pm2View> => {
    try {
      const listedApps = await rpc.call<readonly ListedApp[]>(listTimeoutMs, (api, done) => api.list(done));
      const daemonPid = rpc.daemonPid();
      bus?.connectTo(daemonPid);
      const apps = byName(listedApps, pm2Home);
      debug('list: %d apps of daemon %s', apps.size, daemonPid);
      return { ok: true, daemonPid, apps };
    } catch (error) {
      bus?.disconnect();
      const { message: problem } = error as Error;
      debug('list failed: %s', problem);
      return error instanceof UnreachableError
        ? { ok: false, problem, unreachable: error.daemon }
        : { ok: false, problem };
    }
  };
  const runAction = (run: (api: Pm2Api, done: (error: unknown) => void) => void): Promise<void> =>
    rpc.call<void>(ACTION_TIMEOUT_MS, run);
  const stopOnce = (name: string): Promise<void> => runAction((api, done) => api.stop(name, done));
  const findApp = async (name: string): Promise<Pm2App | undefined> => {
    const view = await list();
    return view.ok ? view.apps.get(name) : undefined;
  };
  /**
   * A stop makes PM2 plan a restart of an app that it was launching, and the next stop cancels that restart, unless it has begun
   * meanwhile: then that process is stopped next. So the last stop is one that has found what the one before it has left.
   */
  const stop = async (name: string): Promise<void> => {
    let generation: string | undefined;
    for (let attempt = 1; attempt <= MAX_STOP_ATTEMPTS; attempt += 1) {
      await stopOnce(name);
      const app = await findApp(name);
      if (app === undefined || (app.status === 'stopped' && app.generation === generation)) return;
      generation = app.status === 'stopped' ? app.generation : undefined;
    }
    throw new Error(`PM2 has launched ${name} again each of ${MAX_STOP_ATTEMPTS} times`);
  };
  /**
   * PM2's delete is one call, which its daemon carries out to the end: who is killed meanwhile leaves no app behind that is
   * stopped, and that the next start would take for an operator's. A process whose launch had begun before the last stop may come
   * after the app was deleted, and bring it back, so all but one that just runs is stopped first.
   */
  const deleteForGood = async (name: string): Promise<void> => {
    for (let attempt = 1; attempt <= MAX_STOP_ATTEMPTS; attempt += 1) {
      const app = await findApp(name);
      if (app === undefined || ![app, ...(app.copies ?? [])].every(isRunOrStopped)) await stop(name);
      await runAction((api, done) => api.delete(name, done));
      if ((await findApp(name)) === undefined) return;
    }
    throw new Error(`PM2 has launched ${name} again each of ${MAX_STOP_ATTEMPTS} times`);
  };

  return {
    list,
    start: (app) => runAction((api, done) => api.start({ ...app }, done)),
    restart: (name) => runAction((api, done) => api.restart(name, done)),
    stop,
    delete: deleteForGood,
    deleteCopy: (pm2Id) => runAction((api, done) => api.delete(pm2Id, done)),
    reloadLogs: () => runAction((api, done) => api.reloadLogs(done)),
    subscribe: (onEvent, onConnect) => {
      bus?.disconnect();
      bus = createPm2EventBus(join(pm2Home, 'pub.sock'), onEvent, onConnect);
    },
    close: () => {
      bus?.disconnect();
      bus = undefined;
      rpc.disconnect();
    },
  };
};

/**
 * The apps of this owner in PM2's list; none when there is no daemon.
 * @param command what is to be run again when a daemon that cannot be asked is gone
 * @throws Pm2Failure when there is a daemon and it does not answer
 */
export const listOwnApps = async (
  pm2Home: string,
  owner: AppsOwner,
  command: string,
): Promise<ReadonlyMap<string, Pm2App>> =>
  new Map([...(await listApps(pm2Home, command))].filter(([name, { env }]) => isOwnApp(owner, name, env)));

/** The apps of everybody in PM2's list; the rest as for {@link listOwnApps}. */
export const listApps = async (pm2Home: string, command: string): Promise<ReadonlyMap<string, Pm2App>> => {
  const pm2 = createPm2(pm2Home, COMMAND_LIST_TIMEOUT_MS);
  const view = await pm2.list();
  pm2.close();
  if (!view.ok && view.problem !== NO_DAEMON) {
    const { problem, unreachable } = view;
    const text = unreachable ? joinProblem(describeUnreachable(problem, unreachable, command)) : problem;
    throw new Pm2Failure(`PM2's list could not be had: ${text}`);
  }
  return view.ok ? view.apps : new Map();
};

const MAX_STATUS_LENGTH = 40;

const byName = (listedApps: readonly ListedApp[], pm2Home: string): ReadonlyMap<string, Pm2App> => {
  const apps = new Map<string, Pm2App>();
  for (const listed of listedApps) {
    const name = listed.name ?? '';
    const app = describeApp(listed, pm2Home);
    const known = apps.get(name);
    apps.set(name, known ? joinInstances(known, app) : app);
  }
  return apps;
};

const joinInstances = ({ copies = [], ...known }: Pm2App, next: Pm2App): Pm2App =>
  !isRunning(known) && isRunning(next)
    ? { ...next, copies: [known, ...copies] }
    : { ...known, copies: [...copies, next] };

const isRunOrStopped = ({ status }: Pm2App): boolean => status === 'online' || status === 'stopped';

const isRunning = ({ status }: Pm2App): boolean => status === 'online' || status === 'launching';

const describeApp = ({ pid, pm2_env = {} }: ListedApp, pm2Home: string): Pm2App => {
  const statusText = printable(pm2_env.status ?? 'unknown', MAX_STATUS_LENGTH);
  const {
    pm_id: pm2Id,
    pm_out_log_path: out,
    pm_err_log_path: err,
    restart_time,
    pm_uptime,
    env = {},
  } = pm2_env;
  const logs = out !== undefined && err !== undefined ? { logs: { out, err } } : {};
  const launch = launchSettingsOf(pm2_env, pm2Home);
  return {
    pid: pid || null,
    statusText,
    status: evidenceOf(statusText, pid ?? 0),
    // The first is counted when a restart begins, and the second is of the process that came of it.
    generation: `${restart_time} ${pm_uptime}`,
    ...logs,
    ...(launch ? { launch } : {}),
    env,
    ...(pm2Id === undefined ? {} : { pm2Id }),
  };
};

/**
 * PM2's status as evidence. A "waiting restart" without a pid is a restart that will never come, since PM2 has scheduled
 * none (no restart_task in its lib/God.js). A process that could not be spawned has no pid, and PM2 does not notice that: it is
 * "launching", and after listen_timeout "online" (docs/decisions.md: ADR-0048).
 */
const evidenceOf = (statusText: string, pid: number): Pm2Evidence => {
  switch (statusText) {
    case 'online':
    case 'launching':
      return pid === 0 ? 'start_failed' : statusText;
    case 'stopping':
    case 'stopped':
      return statusText;
    case 'waiting restart':
      return pid === 0 ? 'gave_up' : 'waiting_restart';
    case 'errored':
      return 'gave_up';
    default:
      return 'unknown';
  }
};
