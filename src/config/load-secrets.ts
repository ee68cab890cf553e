import { accessSync, constants, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { quoteForShell } from '../lib/command-lines.ts';
import { closestWord } from '../lib/did-you-mean.ts';
import { isUsageError, UsageError } from '../lib/usage-error.ts';
import { CONFIG_VARIABLES } from './env-overrides.ts';
import {
  configuredPrograms,
  configuredSecrets,
  misplacedSecrets,
  parseSecrets,
  SECRET_VARIABLES,
  type Secrets,
} from './secrets.ts';
import { readDotEnv, type Settings } from './settings.ts';

/** The variables that are read from `.env`. */
export const DOT_ENV_VARIABLES: readonly string[] = [
  ...CONFIG_VARIABLES,
  'LOG_FORMAT',
  'STEADYPORT_HOME',
  'STEADYPORT_PROJECT',
  ...SECRET_VARIABLES,
];

/** The part of a name that may be misspelt. It is small, since the variables of other programs may be in the same file. */
const TOLERANCE = 1 / 5;

/**
 * Reads the secrets of `.env`. Only the code that uses them reads them; they are not part of {@link Settings}.
 * @returns the secrets. `errors` are mistakes in them, and programs that cannot be run for now. `warnings` say that a secret
 * is stored where others can read it, or a program's path where they can change it, or that a variable is probably misspelt.
 * No message contains a secret's value
 * @throws UsageError when `.env` cannot be read
 */
export const readSecrets = ({
  configPath,
}: Settings): {
  readonly secrets: Secrets;
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
} => {
  const path = join(dirname(configPath), '.env');
  const variables = readDotEnv(dirname(configPath));
  const { secrets, errors: wrongValues } = parseSecrets(variables);
  const errors = [...wrongValues, ...describePrograms(secrets)];
  const warnings = misplacedSecrets(process.env).map(
    (name) => `${name} is not read from the environment, which PM2 shows in its list; write it into ${path}`,
  );
  const modeProblem = describeMode(path, secrets);
  if (modeProblem !== null) warnings.push(modeProblem);
  for (const { name, meant } of misspeltVariables(Object.keys(variables)))
    warnings.push(`${path}: ${name} is no variable of steadyport; did you mean ${meant}?`);
  return { secrets, errors: errors.map((error) => `${path}: ${error}`), warnings };
};

/** {@link readSecrets} for a process that must run in any case: without secrets, and with an error, when `.env` cannot be read. */
export const readSecretsOrNone = (settings: Settings): ReturnType<typeof readSecrets> => {
  try {
    return readSecrets(settings);
  } catch (error) {
    if (!isUsageError(error)) throw error;
    return { secrets: parseSecrets({}).secrets, errors: [error.message], warnings: [] };
  }
};

/**
 * The time of the last write to `.env`, in wall-clock milliseconds; 0 when there is none, a device in its place, or it cannot be
 * looked at.
 */
export const dotEnvModifiedAt = ({ configPath }: Settings): number => {
  try {
    const stats = statSync(join(dirname(configPath), '.env'));
    return stats.isFile() ? stats.mtimeMs : 0;
  } catch {
    return 0;
  }
};

/** {@link readSecrets} for the commands that need every secret to be right. @throws UsageError that names every mistake */
export const requireSecrets = (settings: Settings) => {
  const { secrets, errors, warnings } = readSecrets(settings);
  if (errors.length > 0) throw new UsageError(errors.join('\n'));
  return { secrets, warnings };
};

/**
 * Finds the names in `.env` that are no variable of steadyport and were probably meant to be one: those that are close to one,
 * and every `…_WEBHOOK_URL`, since an alert that is never sent is worse than a warning about another program's variable.
 */
export const misspeltVariables = (
  names: readonly string[],
): readonly { readonly name: string; readonly meant: string }[] =>
  names
    .filter((name) => !DOT_ENV_VARIABLES.includes(name))
    .flatMap((name) => {
      const closest = closestWord(name, DOT_ENV_VARIABLES, TOLERANCE);
      const meant = closest ?? (name.endsWith('_WEBHOOK_URL') ? 'WEBHOOK_URL' : undefined);
      return meant === undefined ? [] : [{ name, meant }];
    });

/** @returns what others may do with `.env` and should not; null when that is nothing */
const describeMode = (path: string, secrets: Secrets): string | null => {
  const programs = configuredPrograms(secrets).length;
  const urls = configuredSecrets(secrets).length - programs;
  const mode = urls + programs > 0 ? statSync(path).mode & 0o777 : 0;
  const advice = `(mode 0${mode.toString(8)}): chmod 600 ${quoteForShell(path)}`;
  if (urls > 0 && mode & 0o077) return `${path} has secrets, and others can read it ${advice}`;
  return programs > 0 && mode & 0o022
    ? `${path} names a program that is run, and others can change it ${advice}`
    : null;
};

/** An error for each program that cannot be run. */
const describePrograms = (secrets: Secrets): readonly string[] =>
  configuredPrograms(secrets).flatMap(({ variable, path }) => {
    const problem = describeProgram(path);
    return problem === null
      ? []
      : [`${variable} is ${JSON.stringify(path)}: expected a program that can be executed; ${problem}`];
  });

/** @returns why this user cannot execute the file, null when it can be executed */
const describeProgram = (path: string): string | null => {
  try {
    if (!statSync(path).isFile()) return 'it is no file';
    accessSync(path, constants.X_OK);
    return null;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return 'there is no such file';
    return code === 'EACCES' ? `this user may not execute it: chmod +x ${quoteForShell(path)}` : message;
  }
};
