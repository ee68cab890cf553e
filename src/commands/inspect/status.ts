import { setTimeout as sleep } from 'node:timers/promises';
import type { ParsedArgs } from 'minimist';
import colours from 'picocolors';
import type { Config } from '../../config/config.ts';
import { requireConfig } from '../../config/load.ts';
import type { Settings } from '../../config/settings.ts';
import { type ControlClient, connectControl } from '../../ipc/client.ts';
import type { MonitorProtocol } from '../../ipc/protocol.ts';
import { isUsageError, UsageError } from '../../lib/usage-error.ts';
import { checkWithoutMonitor, type OfflineStatus } from '../../monitor/offline-status.ts';
import { type EvidenceByProxy, renderEvidence, withEvidence } from '../../status/evidence.ts';
import { renderStatus, type TextStyle } from '../../status/render.ts';
import { SNAPSHOT_VERSION, type Snapshot } from '../../status/snapshot.ts';
import { exitCodeOf, selectProxies } from '../../status/summary.ts';
import { locateStateDir } from '../../system/state-dir.ts';

const ANSWER_TIMEOUT_MS = 2_000;
const REFRESH_INTERVAL_MS = 1_000;

/**
 * `steadyport status [NAME] [--json] [--watch] [--evidence]`: exits with 0 when all are up, 1 for anything else, 2 for wrong
 * usage, 3 without a monitor. With `--evidence` it prints the evidence of each proxy's last check.
 */
export const run = async (args: ParsedArgs): Promise<number> => {
  const { config, settings } = requireConfig();
  // `status | head` ends the pipe early.
  process.stdout.once('error', () => process.exit(0));
  const [name] = args._;
  for (;;) {
    const { snapshot, text } = args['evidence']
      ? await readEvidence(config, settings, name)
      : await readStatus(config, settings, name);
    if (args['watch'] && process.stdout.isTTY) process.stdout.write('\x1b[2J\x1b[H');
    process.stdout.write(args['json'] ? `${JSON.stringify(snapshot)}\n` : text());
    if (!args['watch']) return exitCodeOf(snapshot);
    await sleep(REFRESH_INTERVAL_MS);
  }
};

/** The output: with `--json` the snapshot, otherwise the text. */
interface Output {
  readonly snapshot: Snapshot;
  text(): string;
}

const readStatus = async (config: Config, settings: Settings, name: string | undefined): Promise<Output> => {
  const { monitorSocket } = locateStateDir(settings.stateDir);
  const answer = await askMonitor(monitorSocket, askStatus);
  const fullSnapshot = isAnswer(answer) ? answer : (await checkOffline(config, settings, answer)).snapshot;
  const snapshot = selectOrThrow(fullSnapshot, name);
  return { snapshot, text: () => renderStatus(snapshot, columnsOf(settings), paint, Date.now()) };
};

const readEvidence = async (
  config: Config,
  settings: Settings,
  name: string | undefined,
): Promise<Output> => {
  const { monitorSocket } = locateStateDir(settings.stateDir);
  const answer = await askMonitor(monitorSocket, async (client) => ({
    snapshot: await askStatus(client),
    evidence: await askEvidence(client),
  }));
  const { snapshot: fullSnapshot, evidence } = isAnswer(answer)
    ? answer
    : await checkOffline(config, settings, answer);
  const snapshot = withEvidence(selectOrThrow(fullSnapshot, name), evidence);
  return { snapshot, text: () => renderEvidence(snapshot, columnsOf(settings), Date.now()) };
};

/** @throws UsageError with what to do, for a monitor of another version */
const askStatus = async (client: ControlClient<MonitorProtocol>): Promise<Snapshot> => {
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

const otherVersion = (): UsageError =>
  new UsageError(
    'the monitor that runs is of another version than this command, and its answer cannot be read: npm start',
  );

/** `none`: there is no monitor; `silent`: there is one, and it does not answer in time. */
type NoAnswer = 'none' | 'silent';

const isAnswer = <T extends object>(answer: T | NoAnswer): answer is T => typeof answer === 'object';

const askMonitor = async <T extends object>(
  socketPath: string,
  ask: (client: ControlClient<MonitorProtocol>) => Promise<T>,
): Promise<T | NoAnswer> => {
  try {
    const client = await connectControl<MonitorProtocol>(socketPath, ANSWER_TIMEOUT_MS);
    try {
      return await ask(client);
    } finally {
      client.close();
    }
  } catch (error) {
    if (isUsageError(error)) throw error;
    // EAGAIN: so many clients wait for the monitor already that the kernel takes no more (connect(2)).
    return ['ETIMEDOUT', 'EAGAIN'].includes((error as NodeJS.ErrnoException).code ?? '') ? 'silent' : 'none';
  }
};

const checkOffline = (config: Config, settings: Settings, answer: NoAnswer): Promise<OfflineStatus> =>
  checkWithoutMonitor(config, locateStateDir(settings.stateDir), settings.pm2Home, answer === 'silent');

const selectOrThrow = (snapshot: Snapshot, name: string | undefined): Snapshot => {
  const selected = name === undefined ? snapshot : selectProxies(snapshot, name);
  if (selected) return selected;
  throw new UsageError(
    `no proxy "${name}"; there is: ${snapshot.proxies.map((proxy) => proxy.name).join(', ')}`,
  );
};

const columnsOf = ({ columns }: Settings): number => columns ?? process.stdout.columns ?? 120;

const paint: TextStyle = { success: colours.green, error: colours.red, dim: colours.dim };
