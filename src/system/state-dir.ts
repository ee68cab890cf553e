import { accessSync, chmodSync, constants, mkdirSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MAX_SOCKET_PATH_BYTES } from '../lib/address.ts';
import { UsageError } from '../lib/usage-error.ts';
import { listFiles, removeFile, writeAtomic } from './files.ts';
import { isAlive } from './proc/procfs.ts';
import { isServed } from './unix-socket.ts';

/** The folder of sockets and state (STEADYPORT_HOME, mode 0700): who owns it may talk to the proxies. */
export interface StateDir {
  readonly path: string;
  readonly monitorSocket: string;
  readonly monitorStateFile: string;
  readonly countsFile: string;
  readonly alertsFile: string;
  /** The folder of the proxies' logs of connections; it outlives an uninstall. */
  readonly logsFolder: string;
  /** @param app {@link ProxyConfig.name} */
  accessLogFile(app: string): string;
  /** @param id {@link ProxyConfig.id} */
  portFiles(id: string): { readonly socket: string; readonly pidFile: string; readonly failuresFile: string };
}

/** Where things are; makes nothing. Throws when the socket paths would be too long for the system. */
export const locateStateDir = (path: string): StateDir => {
  const requireShortPath = (socket: string): string => {
    if (Buffer.byteLength(socket) <= MAX_SOCKET_PATH_BYTES) return socket;
    throw new UsageError(
      `STEADYPORT_HOME is ${JSON.stringify(path)}: expected a shorter path; the sockets in it ` +
        `(${socket}) may have at most ${MAX_SOCKET_PATH_BYTES} bytes`,
    );
  };
  const portFolder = (id: string): string => join(path, 'ports', id);
  requireShortPath(join(portFolder('65535'), 'control.sock'));
  return {
    path,
    monitorSocket: join(path, 'monitor.sock'),
    monitorStateFile: join(path, 'monitor.json'),
    countsFile: join(path, 'monitor-counts.json'),
    alertsFile: join(path, 'alerts.json'),
    logsFolder: join(path, 'logs'),
    accessLogFile: (app) => join(path, 'logs', `${app}.log`),
    portFiles: (id) => {
      const folder = portFolder(id);
      return {
        socket: requireShortPath(join(folder, 'control.sock')),
        pidFile: join(folder, 'pid'),
        failuresFile: join(folder, 'failures'),
      };
    },
  };
};

/** Makes the folder of a port, everything above it mode 0700. */
export const makeStateDir = (path: string, id?: string): StateDir => {
  const stateDir = locateStateDir(path);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
  if (id !== undefined) mkdirSync(join(path, 'ports', id), { recursive: true, mode: 0o700 });
  return stateDir;
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
export const listPortIds = (path: string): readonly string[] => listFiles(join(path, 'ports'));

/**
 * Removes what steadyport has put there, and the folders that are empty then. A folder that has other things too, or
 * sockets that somebody serves, keeps them; logs are kept. @returns what is left in the home
 */
export const removeStateDir = async (path: string): Promise<readonly string[]> => {
  const stateDir = locateStateDir(path);
  for (const { socket } of listPortIds(path).map(stateDir.portFiles))
    if (!(await isServed(socket)))
      removeMatching(dirname(socket), /^(control\.sock|(pid|failures)(\.\d+)?)$/);
  removeMatching(join(path, 'ports'));
  if (!(await isServed(stateDir.monitorSocket)))
    removeMatching(
      path,
      /^(monitor\.sock|(monitor|monitor-counts|alerts)\.json(\.\d+)?|alerts\.json\.bad|logrotate\.(conf|state))$/,
    );
  return listFiles(path);
};

/** The files, and the folder when it is empty then. */
const removeMatching = (folder: string, pattern?: RegExp): void => {
  for (const name of listFiles(folder)) if (pattern?.test(name)) removeFile(join(folder, name));
  try {
    rmdirSync(folder);
  } catch {
    // There is something else in it, or no such folder.
  }
};
/** Removes what processes that were killed in the middle of {@link writeAtomic} have left in the folder. */
export const removeTempFiles = (folder: string): void => {
  for (const name of listFiles(folder)) {
    const pid = Number(/^(?:monitor(?:-counts)?\.json|alerts\.json|failures|pid)\.(\d+)$/.exec(name)?.[1]);
    if (pid === process.pid || (pid > 0 && !isAlive(pid))) removeFile(join(folder, name));
  }
};
