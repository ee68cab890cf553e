import { existsSync } from 'node:fs';
import { isOfAnotherConfig, quote } from '../config/project/claim.ts';
import { realPath } from '../config/project/real-path.ts';
import { readProjectRecord } from '../config/project/record.ts';
import type { Settings } from '../config/settings.ts';
import { UsageError } from '../lib/usage-error.ts';
import { isAnySocketServed } from '../system/state-dir.ts';
import { commandLine } from './command-line.ts';

/**
 * Lets a command go on unless the project runs by another config: its ports would be shown or ended as those of this one.
 * @param command the command, for the text
 * @throws UsageError with both configs and what to do
 */
export const refuseOtherConfig = async (settings: Settings, command: string): Promise<void> => {
  const { project, configPath } = settings;
  const record = readProjectRecord(project.stateDir);
  if (record === undefined || record.configPath === realPath(configPath)) return;
  const facts = {
    record,
    configPath: realPath(configPath),
    namedPath: settings.namedPath(),
    isRecordedConfigThere: existsSync(record.configPath),
    isRunning: await isAnySocketServed(project.stateDir),
  };
  if (!isOfAnotherConfig(facts)) return;
  throw new UsageError(
    `the project ${project.name} runs by another config, ${record.configPath}, and not by ${facts.configPath}; ` +
      `for that one: STEADYPORT_PROJECT=${project.name} STEADYPORT_CONFIG=${quote(record.configPath)} ${commandLine(settings, command)}; ` +
      'to run this one beside it, give it a name: "project" in it, or STEADYPORT_PROJECT',
  );
};
