import type { Config } from '../config.ts';
import { type AcceptedConfig, readAccepted } from './accepted.ts';
import { completeSettings, findOwner, namedConfig, type Settings } from './environment.ts';

/** The config of what PM2 runs. */
export interface RunningConfig {
  readonly config: Config;
  readonly settings: Settings;
  /** Null when the config is that of the file, since nothing that can be used was accepted. */
  readonly accepted: AcceptedConfig | null;
  /** Why the file was read although something was accepted; null otherwise. */
  readonly problem: string | null;
}

/**
 * The config of a process that PM2 runs: the accepted one. No file of the user's is read for it, so that no edit, and no folder
 * that is gone, keeps the process from coming back. Without one that can be used it is the file's, as of a process that was
 * started by hand.
 * @throws UsageError when the file is needed, and it has a mistake
 */
export const requireOwnConfig = async (): Promise<RunningConfig> => {
  const owner = findOwner();
  const reading = owner && readAccepted(owner.project.stateDir);
  if (owner !== undefined && reading?.kind === 'ok') {
    const { accepted } = reading;
    return { config: accepted.config, settings: settingsOf(accepted, owner), accepted, problem: null };
  }
  const { readSettings } = await import('../settings.ts');
  if (owner === undefined) return requireRunningConfig(readSettings());
  const { readProjectRecord } = await import('./record.ts');
  // PM2 gives a proxy no STEADYPORT_CONFIG; what the last start has noted has it.
  const path = namedConfig() ?? readProjectRecord(owner.project.stateDir)?.namedPath;
  return requireRunningConfig(readSettings(path));
};

/**
 * The config of what PM2 runs, for the commands that look at it: the accepted one, otherwise the file's.
 * @throws UsageError when nothing that can be used was accepted, and the file has a mistake
 */
export const requireRunningConfig = async (settings: Settings): Promise<RunningConfig> => {
  const reading = readAccepted(settings.project.stateDir);
  if (reading.kind === 'ok') {
    const { accepted } = reading;
    return { config: accepted.config, settings, accepted, problem: null };
  }
  const { loadConfig } = await import('../load.ts');
  const problem = reading.kind === 'unusable' ? `${reading.problem}; the config file is used instead` : null;
  return { config: loadConfig(settings).config, settings, accepted: null, problem };
};

/** The settings of an app of this owner that runs by the accepted config. */
export const settingsOf = (
  { configPath, logFormat }: AcceptedConfig,
  owner: Pick<Settings, 'home' | 'project'>,
): Settings =>
  completeSettings({ configPath, namedPath: () => configPath, logFormat, ...owner, variables: {} });
