import { printable } from '../lib/printable.ts';
import { UsageError } from '../lib/usage-error.ts';
import { type Config, parseConfig } from './config.ts';
import { type ParsedText, parseConfigText } from './config-text.ts';
import { formatConfigError } from './errors.ts';
import { hasChosenAddress, monitorAddressesFor, withMonitorAddress } from './project/monitor-address.ts';
import { NO_CONFIG_FILE } from './project/project.ts';
import { isRecord } from './schema.ts';
import { readSettings, readTextFile, type Settings } from './settings.ts';

/** A config that is right, and what it was made from. */
export interface LoadedConfig {
  readonly config: Config;
  readonly settings: Settings;
  /** The text of the file. */
  readonly text: string;
  /** True when the file or a variable gives `host`; otherwise it is the host name. */
  readonly hasHost: boolean;
  /** `named`: by the config, or its default; `remembered`: chosen by an earlier start; `open`: the next start chooses. */
  readonly monitorAddress: 'named' | 'remembered' | 'open';
}

/**
 * Reads and checks the config, and returns it with the settings it was read with. A file that cannot be read or parsed is a mistake,
 * too. The monitor's address of a project that is started for the first time is a first proposal.
 * @param configPath as in {@link readSettings}
 * @throws UsageError that names every mistake, or the first MAX_SHOWN of them and how many more there are
 */
export const requireConfig = (configPath?: string): LoadedConfig => loadConfig(readSettings(configPath));

/** {@link requireConfig} of settings that have been read. */
export const loadConfig = (settings: Settings): LoadedConfig => {
  const { text, parsed } = readConfigFile(settings.configPath);
  if (!parsed.ok) throw createError(settings, parsed.problems, String);
  const isChosen = hasChosenAddress(settings.project);
  const result = parseConfig(parsed.value, settings.variables, isChosen ? false : undefined);
  if (!result.ok) throw createError(settings, result.errors, formatConfigError);
  const { config, namesMonitorAddress } = result;
  const fileHasHost = isRecord(parsed.value) && parsed.value['host'] !== undefined;
  const loaded = { settings, text, hasHost: fileHasHost || Boolean(settings.variables.STEADYPORT_HOST) };
  if (!isChosen || namesMonitorAddress) return { ...loaded, config, monitorAddress: 'named' };
  const [first] = monitorAddressesFor(settings.home, settings.project, config);
  return {
    ...loaded,
    config: first ? withMonitorAddress(config, first.address) : config,
    monitorAddress: first?.isRemembered ? 'remembered' : 'open',
  };
};

/** A broken file may have a mistake for each of its keys. */
const MAX_SHOWN = 50;

const createError = <T>(
  { configPath }: Settings,
  mistakes: readonly T[],
  describe: (mistake: T) => string,
): UsageError => {
  const omitted = mistakes.length - MAX_SHOWN;
  const lines = mistakes.slice(0, MAX_SHOWN).map((mistake) => printable(describe(mistake)));
  if (omitted > 0) lines.push(`… and ${omitted} more`);
  return new UsageError([configPath, ...lines.map((line) => `  ${line}`)].join('\n'));
};

const readConfigFile = (path: string): { readonly text: string; readonly parsed: ParsedText } => {
  try {
    const text = readTextFile(path);
    return { text, parsed: parseConfigText(text) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const problem = code === 'ENOENT' ? NO_CONFIG_FILE : `expected a file that can be read; ${message}`;
    return { text: '', parsed: { ok: false, problems: [problem] } };
  }
};
