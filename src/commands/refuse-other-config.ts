import { describeRunningConfig, isOfAnotherConfig, readRecordFacts } from '../config/project/claim.ts';
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
  const { project } = settings;
  const facts = readRecordFacts(settings);
  const { record, configPath } = facts;
  if (record === undefined || record.configPath === configPath) return;
  if (!isOfAnotherConfig({ ...facts, isRunning: await isAnySocketServed(project.stateDir) })) return;
  throw new UsageError(
    `${describeRunningConfig(facts)}; ` +
      `for that one: STEADYPORT_PROJECT=${project.name} STEADYPORT_CONFIG=${quoteForShell(record.configPath)} ${commandLine(settings, command)}; ` +
      'to run this one beside it, give it a name: "project" in it, or STEADYPORT_PROJECT',
  );
};
