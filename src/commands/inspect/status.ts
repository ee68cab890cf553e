import { setTimeout as sleep } from 'node:timers/promises';
import type { ParsedArgs } from 'minimist';
import { requireRunningConfig } from '../../config/project/running.ts';
import { readSettings, type Settings } from '../../config/settings.ts';
import { UsageError } from '../../lib/usage-error.ts';
import type { OfflineStatus } from '../../monitor/offline-status.ts';
import { renderEvidence, withEvidence } from '../../status/evidence.ts';
import { renderStatus } from '../../status/render.ts';
import type { Snapshot } from '../../status/snapshot.ts';
import { exitCodeOf, selectProxies } from '../../status/summary.ts';
import {
  askMonitor,
  askStatus,
  askStatusAndEvidence,
  checkOffline,
  isAnswer,
  type NoAnswer,
} from '../ask-monitor.ts';
import { warnOfDrift } from '../config-drift.ts';
import { warnOfKeptOptions } from '../npm-options.ts';
import { withOtherPm2 } from '../other-pm2.ts';
import { listOtherProjects } from '../other-projects.ts';
import { refuseOtherConfig } from '../refuse-other-config.ts';
import { columnsOf, paint, withOwnCommands } from '../terminal.ts';

const REFRESH_INTERVAL_MS = 1_000;

/**
 * `steadyport status [NAME] [--json] [--watch] [--evidence]`: exits with 0 when all are up, 1 for anything else, 2 for wrong
 * usage, 3 without a monitor. With `--evidence` it prints the evidence of each proxy's last check. It shows what runs: a config
 * file that was edited since, or is broken, changes nothing of it, and is told on stderr.
 * @throws UsageError when no monitor answers, nothing was accepted, and the config file has a mistake
 */
export const run = async (args: ParsedArgs): Promise<number> => {
  const settings = readSettings();
  warnOfKeptOptions('status', ['json', 'watch', 'evidence'], settings);
  await refuseOtherConfig(settings, 'status');
  // `status --watch | head` ends when head does.
  if (args['watch']) process.stdout.once('error', () => process.exit(0));
  const [name] = args._;
  for (;;) {
    const { snapshot, text } = args['evidence']
      ? await readEvidence(settings, name)
      : await readStatus(settings, name);
    if (args['watch'] && process.stdout.isTTY) process.stdout.write('\x1b[2J\x1b[H');
    process.stdout.write(args['json'] ? `${JSON.stringify(snapshot)}\n` : withOwnCommands(text(), settings));
    warnOfDrift(settings, snapshot);
    if (!args['watch']) return exitCodeOf(snapshot);
    await sleep(REFRESH_INTERVAL_MS);
  }
};

/** The output: with `--json` the snapshot, otherwise the text. */
interface Output {
  readonly snapshot: Snapshot;
  text(): string;
}

const readStatus = async (settings: Settings, name: string | undefined): Promise<Output> => {
  const answer = await askMonitor(settings, askStatus);
  const fullSnapshot = isAnswer(answer) ? answer : (await readOffline(settings, answer)).snapshot;
  const snapshot = {
    ...selectOrThrow(await withOtherPm2(fullSnapshot, settings), name),
    otherProjects: await listOtherProjects(settings),
  };
  return { snapshot, text: () => renderStatus(snapshot, columnsOf(settings), paint, Date.now()) };
};

const readEvidence = async (settings: Settings, name: string | undefined): Promise<Output> => {
  const answer = await askMonitor(settings, askStatusAndEvidence);
  const { snapshot: fullSnapshot, evidence } = isAnswer(answer)
    ? answer
    : await readOffline(settings, answer);
  const snapshot = withEvidence(selectOrThrow(await withOtherPm2(fullSnapshot, settings), name), evidence);
  return { snapshot, text: () => renderEvidence(snapshot, columnsOf(settings), Date.now()) };
};

/** The accepted config is what runs, whatever the file says by now. */
const readOffline = async (settings: Settings, answer: NoAnswer): Promise<OfflineStatus> =>
  checkOffline((await requireRunningConfig(settings)).config, settings, answer);

const selectOrThrow = (snapshot: Snapshot, name: string | undefined): Snapshot => {
  const selected = name === undefined ? snapshot : selectProxies(snapshot, name);
  if (selected) return selected;
  throw new UsageError(
    `no proxy "${name}"; there is: ${snapshot.proxies.map((proxy) => proxy.name).join(', ')}`,
  );
};
