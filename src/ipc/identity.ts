import type { Settings } from '../config/settings.ts';
import { pm2Command, quoteForShell } from '../lib/command-lines.ts';
import { ownerOf } from '../system/proc/port-owner.ts';
import { findUnixListener } from '../system/proc/socket-table.ts';
import type { ControlClient } from './client.ts';
import type { Identity, OrphanProtocol, Supervisor } from './protocol.ts';

/** The owner of a control socket. The pid is null when it cannot be determined. */
export type Holder = Pick<Identity, 'supervisor'> & { readonly pid: number | null };

/**
 * The PM2 daemon that supervises this process; null when it has none: it was started by hand, or has outlived its daemon, with
 * which its IPC channel ends. PM2 starts an app as a child of the daemon.
 */
export const supervisorOf = ({ pm2Id, pm2Home }: Settings): Supervisor | null =>
  pm2Id !== null && process.connected ? { pid: process.ppid, home: pm2Home, appId: pm2Id } : null;

export const identityOf = (settings: Settings): Identity => ({
  pid: process.pid,
  supervisor: supervisorOf(settings),
});

const ANSWER_TIMEOUT_MS = 1_000;

/**
 * Asks the owner of a control socket who it is. Of one that does not answer, or does not know the ask, /proc shows the pid.
 * @param client undefined when no connection could be had
 */
export const identify = async (
  socketPath: string,
  client: ControlClient<OrphanProtocol> | undefined,
): Promise<Holder> => {
  const answer = await client?.ask('identify', null, ANSWER_TIMEOUT_MS).catch(() => undefined);
  if (answer) return answer;
  const socket = findUnixListener(socketPath);
  return { pid: socket ? ownerOf(socket).pid : null, supervisor: null };
};

/**
 * True when a process is to leave for its successor: no daemon supervises it, or its daemon has lost it. PM2 runs one process for
 * each number of its list, so one with the same number replaces it there.
 */
export const leavesFor = (own: Supervisor | null, successor: Supervisor | null): boolean =>
  own === null ||
  (successor !== null &&
    successor.pid === own.pid &&
    successor.appId !== undefined &&
    successor.appId === own.appId);

/** "pid 812 of this PM2", "pid 812 of the PM2 in /home/ann/.pm2 (its daemon is pid 800)" @param own this process's daemon */
export const describeHolder = ({ pid, supervisor }: Holder, own: Supervisor | null): string => {
  const subject = `pid ${pid ?? 'unknown'}`;
  if (supervisor === null) return subject;
  if (supervisor.pid === own?.pid) return `${subject} of this PM2`;
  return `${subject} of the PM2 in ${supervisor.home} (its daemon is pid ${supervisor.pid})`;
};

/**
 * How to have one process of the app instead of two: "to have one only: npx pm2 scale tcp-proxy-6274 1".
 * @param app the PM2 app of this process, which waits for the holder's place
 */
export const cureOfCopies = (app: string, { supervisor }: Holder, own: Supervisor | null): string => {
  if (supervisor === null || own === null) return 'to have one only, end that one';
  if (supervisor.pid === own.pid) return `to have one only: ${pm2Command('scale', app, '1')}`;
  return `to have one only: ${pm2Command('delete', app)}, with PM2_HOME=${quoteForShell(own.home)} or PM2_HOME=${quoteForShell(supervisor.home)}`;
};
