import { setTimeout as sleep } from 'node:timers/promises';
import { connectControl } from '../../ipc/client.ts';
import type { OrphanProtocol } from '../../ipc/protocol.ts';
import { readInteger } from '../../system/files.ts';
import { type Home, portsOf } from '../../system/state-dir.ts';

/** On a busy machine an answer may take a second. */
const ANSWER_TIMEOUT_MS = 3_000;
/** Longer than a process takes to leave under PM2. */
const LEAVE_TIMEOUT_MS = 3_000;

/** What became of the processes that have outlived their PM2 daemon. */
export interface Dismissed {
  readonly left: readonly string[];
  /** Those that are there and do not answer, or do not leave. */
  readonly silent: readonly { readonly what: string; readonly pid: number | undefined }[];
}

/**
 * Asks the processes of this config that have lost their PM2 daemon to leave: the monitor first, then the proxies. No PM2
 * knows them any more. What another PM2 runs with the same STEADYPORT_HOME stays.
 */
export const dismissOrphans = async (home: Home, configPath: string): Promise<Dismissed> => {
  const ports = portsOf(home.path).map((id) => ({ what: `the proxy for ${id}`, ...home.port(id) }));
  const monitor = { what: 'the monitor', socket: home.monitorSocket, pid: undefined };
  const ask = async ({ what, socket, pid }: { what: string; socket: string; pid: string | undefined }) => ({
    what,
    pid: pid === undefined ? undefined : readInteger(pid),
    answer: await dismiss(socket, configPath),
  });
  const asked = [await ask(monitor), ...(await Promise.all(ports.map(ask)))];
  return {
    left: asked.filter(({ answer }) => answer === 'left').map(({ what }) => what),
    silent: asked.filter(({ answer }) => answer === 'silent'),
  };
};

const dismiss = async (
  socketPath: string,
  configPath: string,
): Promise<'left' | 'silent' | 'stays' | 'none'> => {
  const client = await connectControl<OrphanProtocol>(socketPath, ANSWER_TIMEOUT_MS).catch(() => undefined);
  if (!client) return 'none';
  try {
    if (!(await client.ask('leave_orphan', { configPath }, ANSWER_TIMEOUT_MS))) return 'stays';
    return await Promise.race([
      client.closed.then(() => 'left' as const),
      sleep(LEAVE_TIMEOUT_MS, 'silent' as const, { ref: false }),
    ]);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPIPE' ? 'none' : 'silent';
  } finally {
    client.close();
  }
};
