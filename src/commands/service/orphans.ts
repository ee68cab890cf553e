import { setTimeout as sleep } from 'node:timers/promises';
import { connectControl } from '../../ipc/client.ts';
import type { OrphanProtocol } from '../../ipc/protocol.ts';
import { readInteger } from '../../system/files.ts';
import { listPortIds, type StateDir } from '../../system/state-dir.ts';
import { isListening } from '../../system/unix-socket.ts';

/** The time-out is generous, since on a busy machine an answer may take a second. */
const ANSWER_TIMEOUT_MS = 3_000;
/** Longer than a process under PM2 takes to drain and exit. */
const EXIT_TIMEOUT_MS = 3_000;

/** The result for the processes that have outlived their PM2 daemon. */
export interface StoppedOrphans {
  readonly exited: readonly string[];
  /** The processes that do not answer, or do not exit in time. */
  readonly unresponsive: readonly { readonly processName: string; readonly pid: number | undefined }[];
}

interface Candidate {
  readonly processName: string;
  readonly socket: string;
  /** Undefined for the monitor, which has none. */
  readonly pidFile: string | undefined;
}

/**
 * Asks the processes of a project that have lost their PM2 daemon to exit: the monitor first, then the proxies. No PM2
 * daemon knows them any more. Processes that another PM2 daemon runs with the same STEADYPORT_HOME stay.
 */
export const stopOrphans = async (stateDir: StateDir): Promise<StoppedOrphans> => {
  const ports = listPortIds(stateDir.path).map((id) => ({
    processName: `the proxy for ${id}`,
    ...stateDir.portFiles(id),
  }));
  const monitor: Candidate = {
    processName: 'the monitor',
    socket: stateDir.monitorSocket,
    pidFile: undefined,
  };
  const ask = async ({ processName, socket, pidFile }: Candidate) => ({
    processName,
    pid: pidFile === undefined ? undefined : readInteger(pidFile),
    answer: await stopOrphan(socket),
  });
  const answers = [await ask(monitor), ...(await Promise.all(ports.map(ask)))];
  return {
    exited: answers.filter(({ answer }) => answer === 'exited').map(({ processName }) => processName),
    unresponsive: answers.filter(({ answer }) => answer === 'silent'),
  };
};

/**
 * Asks one process to exit. @returns `exited`: it has exited; `silent`: it does not answer or does not exit; `stays`: it has
 * a PM2 daemon; `none`: nobody listens on the socket
 */
const stopOrphan = async (socketPath: string): Promise<'exited' | 'silent' | 'stays' | 'none'> => {
  const client = await connectControl<OrphanProtocol>(socketPath, ANSWER_TIMEOUT_MS).catch(() => undefined);
  if (!client) return await silentOrNone(socketPath);
  try {
    if (!(await client.ask('leave_orphan', null, ANSWER_TIMEOUT_MS))) return 'stays';
    return await Promise.race([
      client.closed.then(() => 'exited' as const),
      sleep(EXIT_TIMEOUT_MS, 'silent' as const, { ref: false }),
    ]);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPIPE' ? await silentOrNone(socketPath) : 'silent';
  } finally {
    client.close();
  }
};

/** The meaning of a connection that was refused or cut. */
const silentOrNone = async (socketPath: string): Promise<'silent' | 'none'> =>
  (await isListening(socketPath)) ? 'silent' : 'none';
