import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Pm2Evidence } from '../health/types.ts';
import { UsageError } from '../lib/usage-error.ts';
import { readInteger } from '../system/files.ts';
import type { AppDefinition } from './apps.ts';
import { isAppOf } from './ecosystem.ts';
import { createPm2Bus, type Pm2Bus, type Pm2News } from './event-bus.ts';
import type { LogPaths } from './log-paths.ts';
import { type Api, createCalls, type ListedApp, NO_DAEMON } from './rpc.ts';

/** What one look at PM2's list says; `problem` when it could not be had. */
export type Pm2View =
  | { readonly ok: true; readonly daemonPid: number; readonly apps: ReadonlyMap<string, Pm2App> }
  | { readonly ok: false; readonly problem: string };

/** The problem of a view that is still being waited for. */
export const PENDING = 'it has not answered yet';

export interface Pm2App {
  readonly pid: number | null;
  readonly status: Pm2Evidence;
  /** PM2's own word. */
  readonly word: string;
  /** The files that PM2 writes the app's output to; none when it does not say. */
  readonly logs?: LogPaths;
  readonly env: Readonly<Record<string, unknown>>;
}

export interface Pm2 {
  /** Never spawns a daemon, never rejects. */
  list(): Promise<Pm2View>;
  /** These reject with PM2's error, or when there is no answer in time. */
  start(app: AppDefinition): Promise<void>;
  restart(name: string): Promise<void>;
  stop(name: string): Promise<void>;
  delete(name: string): Promise<void>;
  /** The daemon opens the files of all apps' logs anew, by their names. */
  reloadLogs(): Promise<void>;
  /** From the next list on, what PM2 says of its apps by itself, while there is a daemon that answers. */
  follow(onNews: (news: Pm2News) => void): void;
  close(): void;
}

const require = createRequire(import.meta.url);

/** Runs PM2's command line (the version this project depends on) on this terminal; its exit code. */
export const pm2Command = (args: readonly string[]): Promise<number> =>
  new Promise((done, fail) => {
    const child = spawn(process.execPath, [require.resolve('pm2/bin/pm2'), ...args], { stdio: 'inherit' });
    child.once('error', fail).once('exit', (code) => done(code ?? 1));
  });

const LIST_TIMEOUT_MS = 2_000;
/** Longer than kill_timeout and listen_timeout of one app together at the defaults; a longer drain is not awaited. */
const ACTION_TIMEOUT_MS = 30_000;

/** PM2 as the monitor needs it. The daemon that is asked may be another one each time. */
export const createPm2 = (pm2Home: string): Pm2 => {
  const { call, drop } = createCalls(pm2Home);
  let bus: Pm2Bus | undefined;

  const list = async (): Promise<Pm2View> => {
    try {
      const listed = await call<readonly ListedApp[]>(LIST_TIMEOUT_MS, (api, done) => api.list(done));
      const daemonPid = readInteger(join(pm2Home, 'pm2.pid')) ?? 0;
      bus?.join(daemonPid);
      const apps = new Map(listed.map((app) => [app.name ?? '', describeApp(app)]));
      return { ok: true, daemonPid, apps };
    } catch (error) {
      bus?.leave();
      return { ok: false, problem: (error as Error).message };
    }
  };
  const act = (run: (api: Api, done: (error: unknown) => void) => void): Promise<void> =>
    call<void>(ACTION_TIMEOUT_MS, run);

  return {
    list,
    start: (app) => act((api, done) => api.start({ ...app }, done)),
    restart: (name) => act((api, done) => api.restart(name, done)),
    stop: (name) => act((api, done) => api.stop(name, done)),
    delete: (name) => act((api, done) => api.delete(name, done)),
    reloadLogs: () => act((api, done) => api.reloadLogs(done)),
    follow: (onNews) => {
      bus?.leave();
      bus = createPm2Bus(join(pm2Home, 'pub.sock'), onNews);
    },
    close: () => {
      bus?.leave();
      bus = undefined;
      drop();
    },
  };
};

/**
 * The apps in PM2's list that were made from this config file, and none when there is no daemon.
 * @throws when there is a daemon and it does not answer
 */
export const listOwnApps = async (
  pm2Home: string,
  configPath: string,
): Promise<ReadonlyMap<string, Pm2App>> => {
  const pm2 = createPm2(pm2Home);
  const view = await pm2.list();
  pm2.close();
  if (!view.ok && view.problem !== NO_DAEMON)
    throw new UsageError(`PM2's list could not be had: ${view.problem}`);
  const apps = view.ok ? [...view.apps] : [];
  return new Map(apps.filter(([name, { env }]) => isAppOf(configPath, name, env)));
};

const describeApp = ({ pid, pm2_env }: ListedApp): Pm2App => {
  const word = pm2_env?.status ?? 'unknown';
  const { pm_out_log_path: out, pm_err_log_path: err, env = {} } = pm2_env ?? {};
  const logs = out !== undefined && err !== undefined ? { logs: { out, err } } : {};
  return { pid: pid || null, word, status: evidenceOf(word, pid ?? 0), ...logs, env };
};

/** PM2's words; a "waiting restart" without a pid is one that will never come (God.js: no restart_task). */
const evidenceOf = (word: string, pid: number): Pm2Evidence => {
  switch (word) {
    case 'online':
    case 'launching':
    case 'stopping':
    case 'stopped':
      return word;
    case 'waiting restart':
      return pid === 0 ? 'gave_up' : 'waiting_restart';
    case 'errored':
      return 'gave_up';
    default:
      return 'unknown';
  }
};
