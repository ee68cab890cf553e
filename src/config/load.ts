import { printable } from '../lib/printable.ts';
import { UsageError } from '../lib/usage-error.ts';
import { type Config, parseConfig } from './config.ts';
import { type ParsedText, parseConfigText } from './config-text.ts';
import { formatConfigError } from './errors.ts';
import { readSettings, readTextFile, type Settings } from './settings.ts';

/**
 * Reads and checks the config, and returns it with the settings it was read with. A file that cannot be read or parsed is a mistake,
 * too.
 * @param configPath as in {@link readSettings}
 * @throws UsageError that names every mistake, or the first MAX_SHOWN of them and how many more there are
 */
export const requireConfig = (
  configPath?: string,
): { readonly config: Config; readonly settings: Settings } => {
  const settings = readSettings(configPath);
  const parsed = readConfigFile(settings.configPath);
  if (!parsed.ok) throw createError(settings, parsed.problems, String);
  const result = parseConfig(parsed.value, settings.variables);
  if (!result.ok) throw createError(settings, result.errors, formatConfigError);
  return { config: result.config, settings };
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

const readConfigFile = (path: string): ParsedText => {
  try {
    return parseConfigText(readTextFile(path));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const problem =
      code === 'ENOENT'
        ? 'expected a config file here; see docs/configuration.md, or set STEADYPORT_CONFIG'
        : `expected a file that can be read; ${message}`;
    return { ok: false, problems: [problem] };
  }
};
