import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { AppDefinition } from '../core/apps.ts';
import type { Pm2Evidence } from '../core/decision.ts';
import { readInteger } from '../host/home.ts';
import type { LogPaths } from '../host/log-file.ts';
import { isAppOf } from '../host/pm2-apps.ts';
import { isAlive } from '../host/procfs.ts';
import { isServed } from '../host/unix-socket.ts';
import { UsageError } from '../host/usage-error.ts';

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
  close(): void;
}

/** The part of PM2's API class that is used here; the types that come with PM2 leave out `custom`. */
interface Api {
  connect(done: (error: Error | null) => void): void;
  disconnect(): void;
  list(done: (error: Error | null, apps: readonly ListedApp[]) => void): void;
  start(app: object, done: (error: unknown) => void): void;
  restart(name: string, done: (error: unknown) => void): void;
  stop(name: string, done: (error: unknown) => void): void;
  delete(name: string, done: (error: unknown) => void): void;
}

interface ListedApp {
  readonly name?: string;
  readonly pid?: number;
  readonly pm2_env?: {
    readonly status?: string;
    readonly pm_out_log_path?: string;
    readonly pm_err_log_path?: string;
    readonly env?: Record<string, unknown>;
  };
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

/**
 * PM2's API with the traps taken out (docs/decisions.md: PM2): it connects only to a daemon that is there, times every
 * call out, and drops the connection after a time-out or a death, since calls would be queued and replayed.
 */
export const createPm2 = (pm2Home: string): Pm2 => {
  let connection: { readonly daemonPid: number; readonly api: Promise<Api> } | undefined;

  const drop = (): void => {
    void connection?.api.then((api) => api.disconnect()).catch(() => {});
    connection = undefined;
  };

  const connected = (daemonPid: number): Promise<Api> => {
    if (connection?.daemonPid !== daemonPid) {
      drop();
      connection = { daemonPid, api: connect(pm2Home) };
    }
    return connection.api;
  };

  const call = async <T>(
    timeoutMs: number,
    run: (api: Api, done: (error: unknown, value?: T) => void) => void,
  ): Promise<T> => {
    const daemonPid = readInteger(join(pm2Home, 'pm2.pid'));
    // The pid alone does not do: another process may have it, and PM2 would then start a daemon.
    if (daemonPid === undefined || !isAlive(daemonPid) || !(await isServed(join(pm2Home, 'rpc.sock')))) {
      drop();
      throw new Error(NO_DAEMON);
    }
    try {
      return await bounded(timeoutMs, async () => {
        const api = await connected(daemonPid);
        return new Promise<T>((done, fail) =>
          run(api, (error, value) => (error ? fail(toError(error)) : done(value as T))),
        );
      });
    } catch (error) {
      if (error instanceof TimeoutError || error instanceof ConnectError) drop();
      throw error;
    }
  };

  return {
    list: async () => {
      try {
        const listed = await call<readonly ListedApp[]>(LIST_TIMEOUT_MS, (api, done) => api.list(done));
        const apps = new Map(listed.map((app) => [app.name ?? '', describeApp(app)]));
        return { ok: true, daemonPid: readInteger(join(pm2Home, 'pm2.pid')) ?? 0, apps };
      } catch (error) {
        return { ok: false, problem: (error as Error).message };
      }
    },
    start: (app) =>
      call<void>(ACTION_TIMEOUT_MS, (api, done) => api.start({ ...app }, (error) => done(error))),
    restart: (name) =>
      call<void>(ACTION_TIMEOUT_MS, (api, done) => api.restart(name, (error) => done(error))),
    stop: (name) => call<void>(ACTION_TIMEOUT_MS, (api, done) => api.stop(name, (error) => done(error))),
    delete: (name) => call<void>(ACTION_TIMEOUT_MS, (api, done) => api.delete(name, (error) => done(error))),
    close: drop,
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

const NO_DAEMON = 'the PM2 daemon is not running';

const connect = async (pm2Home: string): Promise<Api> => {
  const { custom: PmApi } = require('pm2') as { custom: new (options: { pm2_home: string }) => Api };
  const api = new PmApi({ pm2_home: pm2Home });
  await new Promise<void>((done, fail) =>
    api.connect((error) =>
      error ? fail(new ConnectError('PM2 cannot be reached', { cause: error })) : done(),
    ),
  );
  return api;
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

class TimeoutError extends Error {}
class ConnectError extends Error {}

const bounded = async <T>(timeoutMs: number, run: () => Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new TimeoutError(`PM2 did not answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([run(), late]);
  } finally {
    clearTimeout(timer);
  }
};

/** PM2 rejects with strings and arrays too. */
const toError = (error: unknown): Error =>
  error instanceof Error
    ? error
    : new Error(typeof error === 'string' ? error : JSON.stringify(error), { cause: error });
