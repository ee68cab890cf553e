import type { Config } from '../config/config.ts';
import type { Settings } from '../config/settings.ts';
import { type ControlClient, connectControl } from '../ipc/client.ts';
import type { MonitorProtocol } from '../ipc/protocol.ts';
import { isUsageError, UsageError } from '../lib/usage-error.ts';
import { checkWithoutMonitor, type OfflineStatus } from '../monitor/offline-status.ts';
import type { EvidenceByProxy } from '../status/evidence.ts';
import { SNAPSHOT_VERSION, type Snapshot } from '../status/snapshot.ts';
import { locateStateDir } from '../system/state-dir.ts';
import { isListening } from '../system/unix-socket.ts';

const ANSWER_TIMEOUT_MS = 2_000;

/** `none`: there is no monitor; `silent`: there is one, and it does not answer. */
export type NoAnswer = 'none' | 'silent';

export const isAnswer = <T extends object>(answer: T | NoAnswer): answer is T => typeof answer === 'object';

/**
 * Connects to the monitor, and asks what `ask` asks.
 * @throws UsageError with what to do, for a monitor of another version
 */
export const askMonitor = async <T extends object>(
  { project }: Settings,
  ask: (client: ControlClient<MonitorProtocol>) => Promise<T>,
): Promise<T | NoAnswer> => {
  const { monitorSocket } = locateStateDir(project.stateDir);
  try {
    const client = await connectControl<MonitorProtocol>(monitorSocket, ANSWER_TIMEOUT_MS);
    try {
      return await ask(client);
    } finally {
      client.close();
    }
  } catch (error) {
    if (isUsageError(error)) throw error;
    return (await isListening(monitorSocket)) ? 'silent' : 'none';
  }
};

/** @throws UsageError with what to do, for a monitor of another version */
export const askStatus = async (client: ControlClient<MonitorProtocol>): Promise<Snapshot> => {
  const snapshot = (await client.ask('status', null, ANSWER_TIMEOUT_MS)) as Snapshot | null;
  if (snapshot?.version !== SNAPSHOT_VERSION) throw otherVersion();
  return snapshot;
};

/** The evidence of a monitor that knows the ask. @throws UsageError with what to do, for a monitor of another version */
const askEvidence = async (client: ControlClient<MonitorProtocol>): Promise<EvidenceByProxy> => {
  try {
    const evidence = (await client.ask('evidence', null, ANSWER_TIMEOUT_MS)) as EvidenceByProxy | null;
    if (evidence === null) throw otherVersion();
    return evidence;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSYS') throw otherVersion();
    throw error;
  }
};

/** Both at once, over one connection. */
export const askStatusAndEvidence = async (
  client: ControlClient<MonitorProtocol>,
): Promise<OfflineStatus> => ({
  snapshot: await askStatus(client),
  evidence: await askEvidence(client),
});

const otherVersion = (): UsageError =>
  new UsageError(
    'the monitor that runs is of another version than this command, and its answer cannot be read: npm start',
  );

/** Makes the status and the evidence without the monitor, which gave no answer. */
export const checkOffline = (config: Config, settings: Settings, answer: NoAnswer): Promise<OfflineStatus> =>
  checkWithoutMonitor(config, settings, answer === 'silent');
