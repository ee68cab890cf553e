import { optionsOfNpm, type Settings } from '../config/settings.ts';
import { npmCommand } from '../lib/command-lines.ts';
import { UsageError } from '../lib/usage-error.ts';
import { warn } from './terminal.ts';

/**
 * Warns on stderr of the options that npm has kept for itself, since no "--" stood before them: `npm run logs --follow` runs
 * without it.
 * @param script the npm script that was run
 * @param names the options and flags of the command, without the dashes
 */
export const warnOfKeptOptions = (script: string, names: readonly string[], settings: Settings): void => {
  const text = describeKeptOptions(script, names, settings);
  if (text !== null) warn(text);
};

/**
 * The same for a command that changes something, which ends there: it would do something else than what was typed.
 * @throws UsageError when npm has kept one
 */
export const refuseKeptOptions = (script: string, names: readonly string[], settings: Settings): void => {
  const text = describeKeptOptions(script, names, settings);
  if (text !== null) throw new UsageError(`${text}; nothing was touched`);
};

/** Null when npm has kept none. */
const describeKeptOptions = (
  script: string,
  names: readonly string[],
  { isNpmScript }: Settings,
): string | null => {
  const kept = isNpmScript ? optionsOfNpm(names) : [];
  if (kept.length === 0) return null;
  const options = kept.map((name) => `--${name}`).join(' ');
  return `npm has kept ${options} for itself; type: ${npmCommand(script, options)}`;
};
