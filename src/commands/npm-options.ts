import { optionsOfNpm, type Settings } from '../config/settings.ts';
import { npmCommand } from '../lib/command-lines.ts';

/**
 * Warns on stderr of the options that npm has kept for itself, since no "--" stood before them: `npm run logs --follow` runs
 * without it.
 * @param script the npm script that was run
 * @param names the options and flags of the command, without the dashes
 */
export const warnOfKeptOptions = (
  script: string,
  names: readonly string[],
  { isNpmScript }: Settings,
): void => {
  const kept = isNpmScript ? optionsOfNpm(names) : [];
  if (kept.length === 0) return;
  const options = kept.map((name) => `--${name}`).join(' ');
  process.stderr.write(
    `steadyport: npm has kept ${options} for itself; type: ${npmCommand(script, options)}\n`,
  );
};
