import { createRequire } from 'node:module';
import { printable } from '../lib/printable.ts';
import { askServed } from '../system/unix-socket.ts';
import {
  findCutOffDaemon,
  findDaemon,
  findSilentDaemon,
  requireShortPm2Home,
  rpcSocketOf,
  type UnreachableDaemon,
} from './daemon.ts';
import type { ListedLaunch } from './launch.ts';

/** The part of PM2's API class that is used here; the types that come with PM2 leave out `custom`. */
export interface Pm2Api {
  readonly Client: Pm2Client;
  list(done: (error: Error | null, apps: readonly ListedApp[]) => void): void;
  start(app: object, done: (error: unknown) => void): void;
  restart(name: string, done: (error: unknown) => void): void;
  stop(name: string, done: (error: unknown) => void): void;
  delete(nameOrId: string | number, done: (error: unknown) => void): void;
  reloadLogs(done: (error: unknown) => void): void;
}

/** The client in PM2's API (lib/Client.js of PM2). */
interface Pm2Client {
  /** Opens a connection, which is `client_sock` at once, and `connect`s or has a `socket error` later. */
  launchRPC(): void;
  readonly client_sock: AxonSocket;
  start: unknown;
  pingDaemon: unknown;
  launchDaemon: unknown;
}

/** PM2's end of the connection (modules/pm2-axon of PM2). */
interface AxonSocket {
  /** The pause before it connects again, in milliseconds; 0: the pause of the setting. */
  retry: number;
  /** @param ms 0: it does not connect again */
  set(name: 'retry timeout', ms: number): void;
  once(event: 'connect' | 'close', handle: () => void): void;
  once(event: 'socket error', handle: (error: Error) => void): void;
  on(event: 'error', handle: () => void): void;
  close(): void;
}

export interface ListedApp {
  readonly name?: string;
  readonly pid?: number;
  readonly pm2_env?: ListedLaunch & {
    readonly status?: string;
    /** How often PM2 has restarted it. */
    readonly restart_time?: number;
    /** When PM2 has launched its process, in wall-clock milliseconds. */
    readonly pm_uptime?: number;
    readonly pm_id?: number;
    readonly pm_out_log_path?: string;
    readonly pm_err_log_path?: string;
    readonly env?: Record<string, unknown>;
  };
}

/** Calls the PM2 daemon of one PM2_HOME over one connection. It never starts one. */
export interface Pm2Rpc {
  /**
   * Rejects with PM2's error, with {@link NO_DAEMON}, at once when the connection closes, or with an {@link UnreachableError},
   * also when no answer comes within `timeoutMs`.
   */
  call<T>(
    timeoutMs: number,
    run: (api: Pm2Api, done: (error: unknown, value?: T) => void) => void,
  ): Promise<T>;
  /** The pid of the daemon at the other end of the connection; null without one, or when it cannot be determined. */
  daemonPid(): number | null;
  /** Closes the connection; the next call opens a new one. */
  disconnect(): void;
}

/** It is certain that no process listens on rpc.sock, and none has lost its file. */
export const NO_DAEMON = 'the PM2 daemon is not running';

/** A daemon runs, and cannot be asked. */
export class UnreachableError extends Error {
  readonly daemon: UnreachableDaemon;

  constructor(message: string, daemon: UnreachableDaemon) {
    super(message);
    this.daemon = daemon;
  }
}

const require = createRequire(import.meta.url);

/**
 * PM2's API without its traps (docs/decisions.md: ADR-0015). It connects only to a daemon that runs, and every call has a
 * time-out. After a time-out or the daemon's death it drops the connection, since PM2 would queue calls and replay them.
 * @throws UsageError when no daemon can have this PM2_HOME ({@link requireShortPm2Home})
 */
export const createPm2Rpc = (pm2Home: string): Pm2Rpc => {
  requireShortPm2Home(pm2Home);
  let opened: Promise<Connection> | undefined;
  let current: Connection | undefined;

  const disconnect = (reason?: Error): void => {
    void opened?.then(({ close }) => close(reason)).catch(() => {});
    opened = undefined;
    current = undefined;
  };

  const open = (): Promise<Connection> => {
    const opening = connect(pm2Home, () => {
      if (opened === opening) disconnect();
    });
    const keep = (connection?: Connection): void => {
      if (opened !== opening) return;
      current = connection;
      if (!connection) opened = undefined;
    };
    opening.then(keep, () => keep());
    return opening;
  };

  return {
    call: async (timeoutMs, run) => {
      try {
        return await withTimeout(timeoutMs, async () => {
          opened ??= open();
          return (await opened).call(run);
        });
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error;
        const unreachable = new UnreachableError(error.message, findSilentDaemon(pm2Home));
        disconnect(unreachable);
        throw unreachable;
      }
    },
    daemonPid: () => current?.daemonPid() ?? null,
    disconnect: () => disconnect(),
  };
};

/** One connection to a daemon. */
interface Connection {
  /** Rejects with PM2's error, or when the connection closes. */
  call<T>(run: (api: Pm2Api, done: (error: unknown, value?: T) => void) => void): Promise<T>;
  daemonPid(): number | null;
  /** @param reason what the calls that wait are rejected with. Default: that the connection was closed */
  close(reason?: Error): void;
}

/** @throws {@link NO_DAEMON}, or why it is not known whether there is one */
const connect = async (pm2Home: string, onClose: () => void): Promise<Connection> => {
  const served = await askServed(rpcSocketOf(pm2Home));
  if (served === 'no') throw absenceError(pm2Home);
  if (served !== 'yes') throw new Error(`PM2 cannot be asked (${served})`);
  const { custom: PmApi } = require('pm2') as { custom: new (options: { pm2_home: string }) => Pm2Api };
  const api = new PmApi({ pm2_home: pm2Home });
  disarm(api.Client);
  api.Client.launchRPC();
  const socket = api.Client.client_sock;
  socket.set('retry timeout', 0);
  socket.retry = 0;
  socket.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('socket error', (error) => reject(new Error('PM2 cannot be reached', { cause: error })));
  });
  const pending = new Set<(error: Error) => void>();
  const rejectPending = (reason: Error): void => {
    for (const reject of pending) reject(reason);
    pending.clear();
  };
  socket.once('close', () => {
    rejectPending(new Error('PM2 closed the connection'));
    onClose();
  });
  let daemonPid: number | null = null;
  return {
    call: <T>(run: (api: Pm2Api, done: (error: unknown, value?: T) => void) => void) =>
      new Promise<T>((resolve, reject) => {
        pending.add(reject);
        run(api, (error, value) => {
          pending.delete(reject);
          if (error) reject(toError(error));
          else resolve(value as T);
        });
      }),
    daemonPid: () => {
      daemonPid ??= findDaemon(pm2Home);
      return daemonPid;
    },
    close: (reason) => {
      if (reason) rejectPending(reason);
      socket.close();
    },
  };
};

/**
 * Takes from PM2's client each way to launch a daemon. What is left of a call whose connection has closed ends at `start`,
 * which would otherwise connect again, launch a daemon where none answers, and go on.
 */
const disarm = (client: Pm2Client): void => {
  const refuse = (): never => {
    throw new Error('a PM2 daemon is launched only by steadyport start');
  };
  client.start = () => {};
  client.pingDaemon = refuse;
  client.launchDaemon = refuse;
};

/** A daemon whose socket was removed runs on, and a second one beside it would run every app twice. */
const absenceError = (pm2Home: string): Error => {
  const pid = findCutOffDaemon(pm2Home);
  if (pid === null) return new Error(NO_DAEMON);
  const problem = `the PM2 daemon runs (pid ${pid}), and its socket ${rpcSocketOf(pm2Home)} was removed`;
  return new UnreachableError(problem, { pid, fault: 'cut_off' });
};

class TimeoutError extends Error {}

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

/** Makes an Error with a text for one line of what PM2 rejects with, which may be a string or an array. */
export const toError = (error: unknown): Error => {
  const text =
    error instanceof Error ? error.message : typeof error === 'string' ? error : JSON.stringify(error);
  return new Error(printable(text, MAX_ERROR_LENGTH), { cause: error });
};

const MAX_ERROR_LENGTH = 500;
