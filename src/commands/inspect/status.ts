import { setTimeout as sleep } from 'node:timers/promises';
import type { ParsedArgs } from 'minimist';
import type { Config } from '../../config/config.ts';
import { requireConfig } from '../../config/load.ts';
import type { Settings } from '../../config/settings.ts';
import { UsageError } from '../../lib/usage-error.ts';
import { renderEvidence, withEvidence } from '../../status/evidence.ts';
import { renderStatus } from '../../status/render.ts';
import type { Snapshot } from '../../status/snapshot.ts';
import { exitCodeOf, selectProxies } from '../../status/summary.ts';
import { askMonitor, askStatus, askStatusAndEvidence, checkOffline, isAnswer } from '../ask-monitor.ts';
import { warnOfKeptOptions } from '../npm-options.ts';
import { withOtherPm2 } from '../other-pm2.ts';
import { columnsOf, paint, withOwnCommands } from '../terminal.ts';

const REFRESH_INTERVAL_MS = 1_000;

/**
 * `steadyport status [NAME] [--json] [--watch] [--evidence]`: exits with 0 when all are up, 1 for anything else, 2 for wrong
 * usage, 3 without a monitor. With `--evidence` it prints the evidence of each proxy's last check.
 */
export const run = async (args: ParsedArgs): Promise<number> => {
  const { config, settings } = requireConfig();
  warnOfKeptOptions('status', ['json', 'watch', 'evidence'], settings);
  // `status --watch | head` ends when head does.
  if (args['watch']) process.stdout.once('error', () => process.exit(0));
  const [name] = args._;
  for (;;) {
    const { snapshot, text } = args['evidence']
      ? await readEvidence(config, settings, name)
      : await readStatus(config, settings, name);
    if (args['watch'] && process.stdout.isTTY) process.stdout.write('\x1b[2J\x1b[H');
    process.stdout.write(args['json'] ? `${JSON.stringify(snapshot)}\n` : withOwnCommands(text(), settings));
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
  const answer = await askMonitor(settings, askStatus);
  const fullSnapshot = isAnswer(answer) ? answer : (await checkOffline(config, settings, answer)).snapshot;
  const snapshot = selectOrThrow(withOtherPm2(fullSnapshot, settings), name);
  return { snapshot, text: () => renderStatus(snapshot, columnsOf(settings), paint, Date.now()) };
};

const readEvidence = async (
  config: Config,
  settings: Settings,
  name: string | undefined,
): Promise<Output> => {
  const answer = await askMonitor(settings, askStatusAndEvidence);
  const { snapshot: fullSnapshot, evidence } = isAnswer(answer)
    ? answer
    : await checkOffline(config, settings, answer);
  const snapshot = withEvidence(selectOrThrow(withOtherPm2(fullSnapshot, settings), name), evidence);
  return { snapshot, text: () => renderEvidence(snapshot, columnsOf(settings), Date.now()) };
};

const selectOrThrow = (snapshot: Snapshot, name: string | undefined): Snapshot => {
  const selected = name === undefined ? snapshot : selectProxies(snapshot, name);
  if (selected) return selected;
  throw new UsageError(
    `no proxy "${name}"; there is: ${snapshot.proxies.map((proxy) => proxy.name).join(', ')}`,
  );
};
