import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { PROJECTS_FOLDER } from '../config/project/identity.ts';
import { quoteForShell } from '../lib/command-lines.ts';
import { UsageError } from '../lib/usage-error.ts';
import { listFiles, removeEmptyFolder, removeFile } from './files.ts';
import { isAlive } from './proc/procfs.ts';
import { isServed, requireSocketPath } from './unix-socket.ts';

/** The paths in the state directory (STEADYPORT_HOME, mode 0700). Only its owner can talk to the proxies. */
export interface StateDir {
  readonly path: string;
  readonly monitorSocket: string;
  readonly monitorStateFile: string;
  readonly countsFile: string;
  readonly alertsFile: string;
  /** The folder of the proxies' connection logs; an uninstall keeps it. */
  readonly logsFolder: string;
  /** The folder that has a folder for each port. */
  readonly portsFolder: string;
  /** @param app the `name` of the ProxyConfig (config/config.ts) */
  accessLogFile(app: string): string;
  /** @param id the `id` of the ProxyConfig (config/config.ts) */
  portFiles(id: string): PortFiles;
}

interface PortFiles {
  readonly socket: string;
  readonly pidFile: string;
  readonly failuresFile: string;
  /** The lock (lock.ts) of the process that is about to take the port. */
  readonly lock: string;
}

/**
 * Returns the paths in the state directory, and makes nothing.
 * @throws UsageError when the paths of the sockets would be too long for the system ({@link requireSocketPath})
 */
export const locateStateDir = (path: string): StateDir => {
  const requireShortPath = (socket: string): string =>
    requireSocketPath('STEADYPORT_HOME', homeOf(path), socket);
  const portsFolder = portsFolderOf(path);
  const portFolder = (id: string): string => join(portsFolder, id);
  requireShortPath(join(portFolder('65535'), 'control.sock'));
  return {
    path,
    monitorSocket: join(path, 'monitor.sock'),
    monitorStateFile: join(path, 'monitor.json'),
    countsFile: join(path, 'monitor-counts.json'),
    alertsFile: join(path, 'alerts.json'),
    logsFolder: join(path, 'logs'),
    portsFolder,
    accessLogFile: (app) => join(path, 'logs', `${app}.log`),
    portFiles: (id) => {
      const folder = portFolder(id);
      return {
        socket: requireShortPath(join(folder, 'control.sock')),
        pidFile: join(folder, 'pid'),
        failuresFile: join(folder, 'failures'),
        lock: join(folder, 'lock'),
      };
    },
  };
};

/** The STEADYPORT_HOME of a state directory, for a message: that of a project is `projects/NAME` in it. */
const homeOf = (path: string): string =>
  basename(dirname(path)) === PROJECTS_FOLDER ? dirname(dirname(path)) : path;

const portsFolderOf = (path: string): string => join(path, 'ports');

/**
 * Makes the state directory unless it exists, and the folder of a port in it. Every folder that is made has mode 0700; one
 * that exists keeps its mode, since it may be anybody's.
 * @param id the `id` of the ProxyConfig (config/config.ts). Default: no port's folder is made
 * @throws UsageError when it cannot be made or written to, belongs to another user, or is open to others
 */
export const makeStateDir = (path: string, id?: string): StateDir => {
  const stateDir = locateStateDir(path);
  useFolder('STEADYPORT_HOME', path, () => mkdirSync(path, { recursive: true, mode: 0o700 }));
  requirePrivacy(path);
  useFolder('STEADYPORT_HOME', path, () => accessSync(path, constants.W_OK));
  if (id !== undefined) makePortFolder(stateDir, id);
  return stateDir;
};

/**
 * Makes the folder of a port unless it exists.
 * @param id the `id` of the ProxyConfig (config/config.ts)
 * @throws the system's error
 */
export const makePortFolder = ({ portsFolder }: StateDir, id: string): void => {
  mkdirSync(join(portsFolder, id), { recursive: true, mode: 0o700 });
};

/** Whoever can write to the state directory can take over the sockets; whoever can read it sees who connects. */
const requirePrivacy = (path: string): void => {
  const { uid, mode } = statSync(path);
  // Undefined where there are no users, as on Windows.
  const ownUid = process.getuid?.() ?? uid;
  const isOpen = (mode & 0o066) !== 0;
  const problem =
    isOpen && mode & STICKY_BIT
      ? `others share it (mode ${formatMode(mode)}); make one in it, and set STEADYPORT_HOME to it: mkdir -m 700 ${quoteForShell(join(path, 'steadyport'))}`
      : uid !== ownUid
        ? `it belongs to user ${uid}, and this is user ${ownUid}: sudo chown -R ${ownUid} ${quoteForShell(path)}`
        : isOpen
          ? `others can read it or write to it (mode ${formatMode(mode)}): chmod 700 ${quoteForShell(path)}`
          : null;
  if (problem !== null)
    throw new UsageError(
      `STEADYPORT_HOME is ${JSON.stringify(path)}: expected a folder of this user alone; ${problem}`,
    );
};

/** Of a folder in which everybody may make files, such as /tmp (chmod(2)). */
const STICKY_BIT = 0o1000;

const formatMode = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0');

/**
 * Makes the folder unless it exists. PM2 itself would print a stack trace for a folder that it cannot make.
 * @param variable the environment variable that names the folder, for the message
 * @throws UsageError when the folder cannot be made or written to
 */
export const requireFolder = (variable: string, path: string): void =>
  useFolder(variable, path, () => {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.W_OK);
  });

/** @throws UsageError when `use` throws the system's error */
const useFolder = (variable: string, path: string, use: () => void): void => {
  try {
    use();
  } catch (error) {
    const { message } = error as Error;
    throw new UsageError(
      `${variable} is ${JSON.stringify(path)}: expected a folder that can be written to; ${message}`,
      { cause: error },
    );
  }
};

/** The ids of the ports that have a folder. */
export const listPortIds = (path: string): readonly string[] => listFiles(portsFolderOf(path));

/** True unless it is certain that no process of the project runs, with PM2 or without. */
export const isAnySocketServed = async (path: string): Promise<boolean> => {
  const { monitorSocket, portFiles } = locateStateDir(path);
  const sockets = [monitorSocket, ...listPortIds(path).map((id) => portFiles(id).socket)];
  return (await Promise.all(sockets.map(isServed))).includes(true);
};

/**
 * Removes steadyport's own files from the state directory, and then each folder that is empty. Kept are the logs, files of
 * other origin, and sockets that a process serves, with the files beside them.
 * @returns the names that are left in the state directory
 */
export const removeStateDir = async (path: string): Promise<readonly string[]> => {
  const stateDir = locateStateDir(path);
  for (const { socket } of listPortIds(path).map(stateDir.portFiles))
    if (!(await isServed(socket))) {
      const folder = dirname(socket);
      for (const name of listFiles(folder))
        if (/^lock(\.\d+)?$/.test(name)) removeMatching(join(folder, name), /^\d+$/);
      removeMatching(folder, /^(control\.sock|(pid|failures)(\.\d+)?)$/);
    }
  removeMatching(stateDir.portsFolder);
  if (!(await isServed(stateDir.monitorSocket)))
    removeMatching(
      path,
      /^(monitor\.sock|(monitor|monitor-counts|alerts|accepted|project)\.json(\.\d+|\.bad(-[\dTZ-]+)?)?)$/,
    );
  return listFiles(path);
};

/** Removes what all projects of a STEADYPORT_HOME have in common: the rule for logrotate. Then the folder, if it is empty. */
export const removeSharedFiles = (home: string): void => removeMatching(home, /^logrotate\.(conf|state)$/);

/** Removes the files whose names match, then the folder if it is empty. Default: no file matches. */
const removeMatching = (folder: string, pattern?: RegExp): void => {
  for (const name of listFiles(folder)) if (pattern?.test(name)) removeFile(join(folder, name));
  removeEmptyFolder(folder);
};

/** Removes the temporary files of processes that were killed in the middle of {@link writeAtomic}. */
export const removeTempFiles = (folder: string): void => {
  for (const name of listFiles(folder)) {
    const pid = Number(
      /^(?:(?:monitor(?:-counts)?|alerts|accepted|project)\.json|failures|pid)\.(\d+)$/.exec(name)?.[1],
    );
    if (pid === process.pid || (pid > 0 && !isAlive(pid))) removeFile(join(folder, name));
  }
};
