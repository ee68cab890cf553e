import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { ProblemText } from '../status/monitor-problem.ts';
import { readInteger } from '../system/files.ts';
import { holdsSocket, ownerOf } from '../system/proc/port-owner.ts';
import { HAS_PROCFS, isAlive, readProcess, readProcFile } from '../system/proc/procfs.ts';
import { findUnixListeners } from '../system/proc/socket-table.ts';
import { requireSocketPath } from '../system/unix-socket.ts';

/** The socket on which the PM2 daemon of a PM2_HOME takes calls. */
export const rpcSocketOf = (pm2Home: string): string => join(pm2Home, 'rpc.sock');

/**
 * PM2 waits for ever for a daemon that cannot make its sockets, `rpc.sock` and `pub.sock` (paths.js of PM2).
 * @throws UsageError when the path of a PM2_HOME is too long for them ({@link requireSocketPath})
 */
export const requireShortPm2Home = (pm2Home: string): void => {
  requireSocketPath('PM2_HOME', pm2Home, rpcSocketOf(pm2Home));
};

/**
 * The pid of the daemon behind rpc.sock; null when it cannot be determined. `pm2.pid` is only the place to look first: it may
 * be missing, and name a daemon that has ended or another program.
 */
export const findDaemon = (pm2Home: string): number | null => {
  const hint = readInteger(join(pm2Home, 'pm2.pid'));
  const owners = ownersOf(rpcSocketOf(pm2Home), hint);
  if (owners.length === 0) return hint !== undefined && isDaemonOf(hint, pm2Home) ? hint : null;
  // One of several has lost the file of its socket to another, and `pm2.pid` names the last one that was started.
  return owners.find((pid) => owners.length === 1 || pid === hint) ?? null;
};

/** The pid of a daemon that runs, although no process can be reached by rpc.sock; null when there is none, or without /proc. */
export const findCutOffDaemon = (pm2Home: string): number | null => {
  if (!HAS_PROCFS) return null;
  const [owner] = ownersOf(rpcSocketOf(pm2Home), undefined);
  return owner ?? findDaemon(pm2Home);
};

/** A daemon that runs, and cannot be asked. */
export interface UnreachableDaemon {
  /** Null when it cannot be determined. */
  readonly pid: number | null;
  /** `silent`: it does not answer; `stopped`: nor can it, since a signal has stopped it; `cut_off`: its socket was removed. */
  readonly fault: 'silent' | 'stopped' | 'cut_off';
}

/** Looks at the daemon that has not answered in time. */
export const findSilentDaemon = (pm2Home: string): UnreachableDaemon => {
  const pid = findDaemon(pm2Home);
  const isStopped = pid !== null && 'Tt'.includes(readProcess(pid)?.state ?? '-');
  return { pid, fault: isStopped ? 'stopped' : 'silent' };
};

/** The command that makes a daemon run the apps, and what it does to those that run without one. */
export const START = 'npm start; what runs goes on serving until its successor takes over';

/**
 * Names the daemon, and the cure.
 * @param problem why it cannot be asked; of one that is cut off it has the pid
 * @param command what is to be run when the daemon is gone
 */
export const describeUnreachable = (
  problem: string,
  { pid, fault }: UnreachableDaemon,
  command: string,
): ProblemText => {
  const end = `kill -9 ${pid ?? 'it'} and then ${command}`;
  const daemon = `${problem}; its daemon (pid ${pid ?? 'unknown'})`;
  switch (fault) {
    case 'silent':
      return { reason: `${daemon} hangs`, nextStep: end };
    case 'stopped':
      return { reason: `${daemon} is stopped by a signal`, nextStep: `kill -CONT ${pid}, or ${end}` };
    case 'cut_off':
      return { reason: problem, nextStep: end };
  }
};

/** The processes that listen on a socket that was bound to the path, whether or not its file is still there. */
const ownersOf = (path: string, hint: number | undefined): readonly number[] =>
  findUnixListeners(path).flatMap((inode) => {
    if (hint !== undefined && holdsSocket(hint, inode)) return [hint];
    const { pid } = ownerOf({ inode, uid: 0 });
    return pid === null ? [] : [pid];
  });

/**
 * True when the process has the title of this PM2_HOME's daemon (lib/Daemon.js of PM2), which the system may have cut. Without
 * /proc every process that is alive will do.
 */
const isDaemonOf = (pid: number, pm2Home: string): boolean => {
  if (!HAS_PROCFS) return isAlive(pid);
  const [, home] = /^PM2 v\S+: God Daemon \(([^)\0]+)/.exec(readProcFile(`/proc/${pid}/cmdline`) ?? '') ?? [];
  return home !== undefined && (pm2Home.startsWith(home) || isSameFolder(pm2Home, home)) && isAlive(pid);
};

/** True for two names of one folder, such as that of a link to it, or one with a slash at its end. */
const isSameFolder = (path: string, other: string): boolean => {
  const [stats, otherStats] = [path, other].map((each) => statSync(each, { throwIfNoEntry: false }));
  return stats !== undefined && stats.dev === otherStats?.dev && stats.ino === otherStats.ino;
};
