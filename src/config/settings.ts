import { readFileSync, statSync } from 'node:fs';
import { devNull, homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'dotenv';
import { UsageError } from '../lib/usage-error.ts';
import { CONFIG_VARIABLES, type ConfigVariables } from './env-overrides.ts';
import { completeSettings, type Settings } from './project/environment.ts';
import { namedPathOf } from './project/named-path.ts';
import { findProject } from './project/project.ts';
import { realPath } from './project/real-path.ts';
import { ROOT } from './project-root.ts';

export type { Settings };

/**
 * Reads the settings. The environment takes precedence over `.env` beside the config file, and `.env` over the default.
 * @param configPath overrides STEADYPORT_CONFIG; default `steadyport.json` beside ecosystem.config.js
 */
export const readSettings = (configPath?: string): Settings => {
  const env = process.env;
  const defaultConfigPath = join(ROOT, 'steadyport.json');
  const given = configPath ?? (env['STEADYPORT_CONFIG'] || undefined);
  const path = resolve(given ?? defaultConfigPath);
  const { PWD: pwd, npm_config_local_prefix: npmFolder } = env;
  const hints = [...process.argv.slice(1), ...(npmFolder ? [npmFolder] : [])];
  const namedPath = (): string => namedPathOf({ given, defaultConfigPath, cwd: process.cwd(), pwd, hints });
  const dotEnv = readDotEnv(dirname(path));
  const home = realPath(
    env['STEADYPORT_HOME']
      ? resolve(env['STEADYPORT_HOME'])
      : resolve(dirname(path), dotEnv['STEADYPORT_HOME'] || join(homedir(), '.steadyport')),
  );
  const project = findProject({
    home,
    configPath: path,
    namedPath,
    defaultConfigPath,
    override: pick(env, dotEnv, 'STEADYPORT_PROJECT'),
    readConfig: () => readTextFile(path),
  });
  return completeSettings({
    configPath: path,
    namedPath,
    home,
    project,
    logFormat: logFormatOf(env, dotEnv),
    variables: variablesOf(env, dotEnv),
  });
};

type Variables = Readonly<Record<string, string | undefined>>;

const pick = (env: Variables, dotEnv: Variables, name: string): string | undefined =>
  env[name] || dotEnv[name] || undefined;

/** LOG_FORMAT of the environment, otherwise of `.env`. */
export const logFormatOf = (env: Variables, dotEnv: Variables): Settings['logFormat'] =>
  pick(env, dotEnv, 'LOG_FORMAT') === 'json' ? 'json' : 'text';

/** The variables that change the config: those of the environment, otherwise those of `.env`. */
export const variablesOf = (env: Variables, dotEnv: Variables): ConfigVariables => ({
  ...Object.fromEntries(CONFIG_VARIABLES.map((name) => [name, pick(env, dotEnv, name)])),
  ...(env['PROXIES'] && dotEnv['PROXIES'] && { dotEnvProxies: dotEnv['PROXIES'] }),
});

/** The variables of the environment that change what is accepted. */
const ACCEPTED_VARIABLES = [...CONFIG_VARIABLES, 'LOG_FORMAT'] as const;
export type AcceptedVariables = {
  readonly [name in (typeof ACCEPTED_VARIABLES)[number]]?: string | undefined;
};

/** Those of the environment of this process that change the config, or the form of the log; those of `.env` are not in it. */
export const acceptedVariables = (): AcceptedVariables =>
  Object.fromEntries(
    ACCEPTED_VARIABLES.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])),
  );

/**
 * Those of the options that npm has taken for its own: it makes a variable of each that stands before a "--"
 * (https://docs.npmjs.com/cli/v11/using-npm/config).
 */
export const optionsOfNpm = (names: readonly string[]): readonly string[] =>
  names.filter((name) => process.env[`npm_config_${name.replaceAll('-', '_')}`]);

/**
 * Reads `.env` of a folder; empty when there is none, and when /dev/null stands in its place: so containers hide a file
 * (`-v /dev/null:/app/.env`). It uses dotenv's `parse`, since `config()` would put the secrets into
 * process.env, which PM2 copies.
 * @throws UsageError when the file cannot be read
 */
export const readDotEnv = (folder: string): Record<string, string> => {
  const path = join(folder, '.env');
  try {
    return isNullDevice(path) ? {} : parse(readTextFile(path));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return {};
    throw new UsageError(`${path} cannot be read: ${message}`, { cause: error });
  }
};

/** True for /dev/null under any name, as a link to it or a mount of it has. @throws the system's error */
const isNullDevice = (path: string): boolean => {
  const stats = statSync(path);
  return stats.isCharacterDevice() && stats.rdev === statSync(devNull).rdev;
};

/**
 * Reads a regular file, or one that a link leads to. Of others there is no end to wait for: of a FIFO that nobody writes into,
 * or of a device; and what came through a pipe would be gone when the next process reads the config.
 * @throws the system's error, or that it is no regular file
 */
export const readTextFile = (path: string): string => {
  if (!statSync(path).isFile()) throw new Error('it is no regular file');
  return readFileSync(path, 'utf8');
};
