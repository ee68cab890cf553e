import { readFileSync } from 'node:fs';
import { UsageError } from '../lib/usage-error.ts';
import { type Config, type ConfigResult, parseConfig } from './config.ts';
import { formatConfigError } from './errors.ts';
import { readSettings, type Settings } from './settings.ts';

/** Reads and checks the config. A file that cannot be read or parsed is reported as a mistake in the config. */
const loadConfig = ({ configPath, variables }: Settings): ConfigResult => {
  let file: unknown;
  let text = '';
  try {
    text = readFileSync(configPath, 'utf8');
    file = JSON.parse(text);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const problem =
      code === 'ENOENT'
        ? 'expected a config file here; see docs/configuration.md, or set STEADYPORT_CONFIG'
        : code === undefined
          ? `expected JSON; ${addLineNumber(message, text)}`
          : `expected a file that can be read; ${message}`;
    return { ok: false, errors: [{ path: 'the config file', value: configPath, problem }] };
  }
  return parseConfig(file, variables);
};

/** Adds the line and column to V8's "… at position 13". From Node.js 22 on V8 adds them itself. */
const addLineNumber = (message: string, text: string): string => {
  const position = /at position (\d+)$/.exec(message)?.[1];
  if (position === undefined) return message;
  const lines = text.slice(0, Number(position)).split('\n');
  return `${message} (line ${lines.length} column ${(lines.at(-1) ?? '').length + 1})`;
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
