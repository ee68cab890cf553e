import { readFileSync } from 'node:fs';
import { UsageError } from '../lib/usage-error.ts';
import { type Config, type ConfigResult, parseConfig } from './config.ts';
import { type ParsedText, parseConfigText } from './config-text.ts';
import { formatConfigError } from './errors.ts';
import { readSettings, type Settings } from './settings.ts';

/** Reads and checks the config. A file that cannot be read or parsed is reported as a mistake in the config. */
const loadConfig = ({ configPath, variables }: Settings): ConfigResult => {
  const parsed = readConfigFile(configPath);
  if (parsed.ok) return parseConfig(parsed.value, variables);
  const errors = parsed.problems.map((problem) => ({ path: 'the config file', value: configPath, problem }));
  return { ok: false, errors };
};

const readConfigFile = (path: string): ParsedText => {
  try {
    return parseConfigText(readFileSync(path, 'utf8'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const problem =
      code === 'ENOENT'
        ? 'expected a config file here; see docs/configuration.md, or set STEADYPORT_CONFIG'
        : `expected a file that can be read; ${message}`;
    return { ok: false, problems: [problem] };
  }
};

/**
 * Loads the config, and returns it with the settings it was read with.
 * @param configPath as in {@link readSettings}
 * @throws UsageError that names every mistake
 */
export const requireConfig = (
  configPath?: string,
): { readonly config: Config; readonly settings: Settings } => {
  const settings = readSettings(configPath);
  const result = loadConfig(settings);
  if (result.ok) return { config: result.config, settings };
  throw new UsageError(
    `${settings.configPath}\n${result.errors.map((error) => `  ${formatConfigError(error)}`).join('\n')}`,
  );
};
