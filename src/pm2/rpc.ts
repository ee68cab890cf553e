import { createRequire } from 'node:module';
import { join } from 'node:path';
import { readInteger } from '../system/files.ts';
import { isAlive } from '../system/proc/procfs.ts';
import { isServed } from '../system/unix-socket.ts';

/** The part of PM2's API class that is used here; the types that come with PM2 leave out `custom`. */
export interface Pm2Api {
  /** The client's end of the connection. After an end PM2 reconnects for ever, and then sends the calls made meanwhile. */
  readonly Client: { readonly client_sock: { retry: number; set(name: 'retry timeout', ms: number): void } };
  connect(done: (error: Error | null) => void): void;
  disconnect(): void;
  list(done: (error: Error | null, apps: readonly ListedApp[]) => void): void;
  start(app: object, done: (error: unknown) => void): void;
  restart(name: string, done: (error: unknown) => void): void;
  stop(name: string, done: (error: unknown) => void): void;
  delete(name: string, done: (error: unknown) => void): void;
  reloadLogs(done: (error: unknown) => void): void;
}

export interface ListedApp {
  readonly name?: string;
  readonly pid?: number;
  readonly pm2_env?: {
    readonly status?: string;
    readonly pm_out_log_path?: string;
    readonly pm_err_log_path?: string;
    readonly env?: Record<string, unknown>;
  };
}

/** Calls the PM2 daemon of one PM2_HOME over one connection. */
export interface Pm2Rpc {
  /** Rejects with PM2's error, with {@link NO_DAEMON}, or when no answer comes within `timeoutMs`. */
  call<T>(
    timeoutMs: number,
    run: (api: Pm2Api, done: (error: unknown, value?: T) => void) => void,
  ): Promise<T>;
  /** Closes the connection; the next call opens a new one. */
  disconnect(): void;
}

export const NO_DAEMON = 'the PM2 daemon is not running';

const require = createRequire(import.meta.url);

/**
 * PM2's API without its traps (docs/decisions.md: ADR-0015). It connects only to a daemon that runs, and every call has a
 * time-out. After a time-out or the daemon's death it drops the connection, since PM2 would queue calls and replay them.
 */
export const createPm2Rpc = (pm2Home: string): Pm2Rpc => {
  let connection: { readonly daemonPid: number; readonly api: Promise<Pm2Api> } | undefined;

  const disconnect = (): void => {
    void connection?.api.then((api) => api.disconnect()).catch(() => {});
    connection = undefined;
  };

  const apiOf = (daemonPid: number): Promise<Pm2Api> => {
    if (connection?.daemonPid !== daemonPid) {
      disconnect();
      connection = { daemonPid, api: connect(pm2Home) };
    }
    return connection.api;
  };

  return {
    call: async (timeoutMs, run) => {
      const daemonPid = readInteger(join(pm2Home, 'pm2.pid'));
      // The pid alone proves nothing: another process may have it by now, and PM2 would then start a daemon.
      if (daemonPid === undefined || !isAlive(daemonPid) || !(await isServed(join(pm2Home, 'rpc.sock')))) {
        disconnect();
        throw new Error(NO_DAEMON);
      }
      try {
        return await withTimeout(timeoutMs, async () => callApi(await apiOf(daemonPid), run));
      } catch (error) {
        if (error instanceof TimeoutError || error instanceof ConnectError) disconnect();
        throw error;
      }
    },
    disconnect,
  };
};

const callApi = <T>(
  api: Pm2Api,
  run: (api: Pm2Api, done: (error: unknown, value?: T) => void) => void,
): Promise<T> =>
  new Promise((done, reject) =>
    run(api, (error, value) => (error ? reject(toError(error)) : done(value as T))),
  );

const connect = async (pm2Home: string): Promise<Pm2Api> => {
  const { custom: PmApi } = require('pm2') as { custom: new (options: { pm2_home: string }) => Pm2Api };
  const api = new PmApi({ pm2_home: pm2Home });
  await new Promise<void>((resolve, reject) =>
    api.connect((error) =>
      error ? reject(new ConnectError('PM2 cannot be reached', { cause: error })) : resolve(),
    ),
  );
  api.Client.client_sock.set('retry timeout', 0);
  api.Client.client_sock.retry = 0;
  return api;
};

class TimeoutError extends Error {}
class ConnectError extends Error {}

const withTimeout = async <T>(timeoutMs: number, run: () => Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new TimeoutError(`PM2 did not answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([run(), timeout]);
  } finally {
    clearTimeout(timer);
  }
};

/** Makes an Error of what PM2 rejects with, which may be a string or an array. */
const toError = (error: unknown): Error =>
  error instanceof Error
    ? error
    : new Error(typeof error === 'string' ? error : JSON.stringify(error), { cause: error });
