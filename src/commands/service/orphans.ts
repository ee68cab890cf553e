import { setTimeout as sleep } from 'node:timers/promises';
import { connectControl } from '../../ipc/client.ts';
import type { OrphanProtocol } from '../../ipc/protocol.ts';
import { readInteger } from '../../system/files.ts';
import { listPortIds, type StateDir } from '../../system/state-dir.ts';

/** On a busy machine an answer may take a second. */
const ANSWER_TIMEOUT_MS = 3_000;
/** Longer than a process takes to leave under PM2. */
const EXIT_TIMEOUT_MS = 3_000;

/** What became of the processes that have outlived their PM2 daemon. */
export interface StoppedOrphans {
  readonly exited: readonly string[];
  /** Those that are there and do not answer, or do not leave. */
  readonly unresponsive: readonly { readonly processName: string; readonly pid: number | undefined }[];
}

/**
 * Asks the processes of this config that have lost their PM2 daemon to leave: the monitor first, then the proxies. No PM2
 * knows them any more. What another PM2 runs with the same STEADYPORT_HOME stays.
 */
export const stopOrphans = async (stateDir: StateDir, configPath: string): Promise<StoppedOrphans> => {
  const ports = listPortIds(stateDir.path).map((id) => ({
    processName: `the proxy for ${id}`,
    ...stateDir.portFiles(id),
  }));
  const monitor = { processName: 'the monitor', socket: stateDir.monitorSocket, pidFile: undefined };
  const ask = async ({
    processName,
    socket,
    pidFile,
  }: {
    processName: string;
    socket: string;
    pidFile: string | undefined;
  }) => ({
    processName,
    pid: pidFile === undefined ? undefined : readInteger(pidFile),
    answer: await stopOrphan(socket, configPath),
  });
  const answers = [await ask(monitor), ...(await Promise.all(ports.map(ask)))];
  return {
    exited: answers.filter(({ answer }) => answer === 'left').map(({ processName }) => processName),
    unresponsive: answers.filter(({ answer }) => answer === 'silent'),
  };
};

const stopOrphan = async (
  socketPath: string,
  configPath: string,
): Promise<'left' | 'silent' | 'stays' | 'none'> => {
  const client = await connectControl<OrphanProtocol>(socketPath, ANSWER_TIMEOUT_MS).catch(() => undefined);
  if (!client) return 'none';
  try {
    if (!(await client.ask('leave_orphan', { configPath }, ANSWER_TIMEOUT_MS))) return 'stays';
    return await Promise.race([
      client.closed.then(() => 'left' as const),
      sleep(EXIT_TIMEOUT_MS, 'silent' as const, { ref: false }),
    ]);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPIPE' ? 'none' : 'silent';
  } finally {
    client.close();
  }
};
