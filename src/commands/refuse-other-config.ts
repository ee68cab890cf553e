import {
  describeOtherConfig,
  describeRunningConfig,
  isOfAnotherConfig,
  readRecordFacts,
} from '../config/project/claim.ts';
import type { Settings } from '../config/settings.ts';
import { quoteForShell } from '../lib/command-lines.ts';
import { UsageError } from '../lib/usage-error.ts';
import { isAnySocketServed } from '../system/state-dir.ts';
import { commandLine } from './command-line.ts';

/**
 * Lets a command go on unless the project runs by another config: its ports would be shown or ended as those of this one.
 * @param command the command, for the text
 * @throws UsageError with both configs and what to do
 */
export const refuseOtherConfig = async (settings: Settings, command: string): Promise<void> => {
  const facts = await findOtherConfig(settings);
  if (facts === null) return;
  const { project, record } = facts;
  throw new UsageError(
    `${describeRunningConfig(facts)}; ` +
      `for that one: STEADYPORT_PROJECT=${project} STEADYPORT_CONFIG=${quoteForShell(record.configPath)} ${commandLine(settings, command)}; ` +
      'to run this one beside it, give it another name: "project" in it, or STEADYPORT_PROJECT',
  );
};

/** Why a start of this config is refused, and what to do, while the project runs by another config; null otherwise. */
export const describeRefusedStart = async (settings: Settings): Promise<string | null> => {
  const facts = await findOtherConfig(settings);
  return facts && describeOtherConfig(facts, { takeOver: commandLine(settings, 'start', '--take-over') });
};

/** The facts about the other config that the project runs by; null when it runs by this one, or not at all. */
const findOtherConfig = async (settings: Settings) => {
  const facts = readRecordFacts(settings);
  const { record } = facts;
  if (record === undefined || record.configPath === facts.configPath) return null;
  const isRunning = await isAnySocketServed(settings.project.stateDir);
  return isOfAnotherConfig({ ...facts, isRunning }) ? { ...facts, record } : null;
};
