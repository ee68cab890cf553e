import { accessSync, chmodSync, constants, mkdirSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SOCKET_PATH_BYTES } from '../lib/address.ts';
import { UsageError } from '../lib/usage-error.ts';
import { filesIn, remove, writeAtomic } from './files.ts';
import { isAlive } from './proc/procfs.ts';
import { isServed } from './unix-socket.ts';

/** The folder of sockets and state (STEADYPORT_HOME, mode 0700): who owns it may talk to the proxies. */
export interface Home {
  readonly path: string;
  readonly monitorSocket: string;
  readonly monitorState: string;
  readonly counts: string;
  readonly alerts: string;
  /** The folder of the proxies' logs of connections; it outlives an uninstall. */
  readonly logs: string;
  /** @param app {@link ProxyConfig.name} */
  accessLog(app: string): string;
  /** @param id {@link ProxyConfig.id} */
  port(id: string): { readonly socket: string; readonly pid: string; readonly failures: string };
}

/** Where things are; makes nothing. Throws when the socket paths would be too long for the system. */
export const locateHome = (path: string): Home => {
  const fitting = (socket: string): string => {
    if (Buffer.byteLength(socket) <= SOCKET_PATH_BYTES) return socket;
    throw new UsageError(
      `STEADYPORT_HOME is ${JSON.stringify(path)}: expected a shorter path; the sockets in it ` +
        `(${socket}) may have at most ${SOCKET_PATH_BYTES} bytes`,
    );
  };
  const portFolder = (id: string): string => join(path, 'ports', id);
  fitting(join(portFolder('65535'), 'control.sock'));
  return {
    path,
    monitorSocket: join(path, 'monitor.sock'),
    monitorState: join(path, 'monitor.json'),
    counts: join(path, 'monitor-counts.json'),
    alerts: join(path, 'alerts.json'),
    logs: join(path, 'logs'),
    accessLog: (app) => join(path, 'logs', `${app}.log`),
    port: (id) => {
      const folder = portFolder(id);
      return {
        socket: fitting(join(folder, 'control.sock')),
        pid: join(folder, 'pid'),
        failures: join(folder, 'failures'),
      };
    },
  };
};

/** Makes the folder of a port, everything above it mode 0700. */
export const makeHome = (path: string, id?: string): Home => {
  const home = locateHome(path);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
  if (id !== undefined) mkdirSync(join(path, 'ports', id), { recursive: true, mode: 0o700 });
  return home;
};

/**
 * Makes a folder where there is none: PM2 answers one that cannot be made with a stack trace.
 * @param variable what names it
 * @throws UsageError when it cannot be made, or not be written to
 */
export const requireFolder = (variable: string, path: string): void => {
  try {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.W_OK);
  } catch (error) {
    const { message } = error as Error;
    throw new UsageError(
      `${variable} is ${JSON.stringify(path)}: expected a folder that can be written to; ${message}`,
      { cause: error },
    );
  }
};

/** The ids of the ports that have a folder. */
export const portsOf = (path: string): readonly string[] => filesIn(join(path, 'ports'));

/**
 * Removes what steadyport has put there, and the folders that are empty then. A folder that has other things too, or
 * sockets that somebody serves, keeps them; logs are kept. @returns what is left in the home
 */
export const removeHome = async (path: string): Promise<readonly string[]> => {
  const home = locateHome(path);
  for (const { socket } of portsOf(path).map(home.port))
    if (!(await isServed(socket))) removeFrom(dirname(socket), /^(control\.sock|(pid|failures)(\.\d+)?)$/);
  removeFrom(join(path, 'ports'));
  if (!(await isServed(home.monitorSocket)))
    removeFrom(
      path,
      /^(monitor\.sock|(monitor|monitor-counts|alerts)\.json(\.\d+)?|alerts\.json\.bad|logrotate\.(conf|state))$/,
    );
  return filesIn(path);
};

/** The files, and the folder when it is empty then. */
const removeFrom = (folder: string, files?: RegExp): void => {
  for (const name of filesIn(folder)) if (files?.test(name)) remove(join(folder, name));
  try {
    rmdirSync(folder);
  } catch {
    // There is something else in it, or no such folder.
  }
};
/** Removes what processes that were killed in the middle of {@link writeAtomic} have left in the folder. */
export const removeDrafts = (folder: string): void => {
  for (const name of filesIn(folder)) {
    const pid = Number(/^(?:monitor(?:-counts)?\.json|alerts\.json|failures|pid)\.(\d+)$/.exec(name)?.[1]);
    if (pid === process.pid || (pid > 0 && !isAlive(pid))) remove(join(folder, name));
  }
};
