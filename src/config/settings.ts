import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'dotenv';
import { UsageError } from '../lib/usage-error.ts';
import { CONFIG_VARIABLES, type ConfigVariables } from './env-overrides.ts';
import { ROOT } from './project-root.ts';

/** The variables that reach the PM2 apps; everything else of the caller's environment stays out of PM2's list. */
const INHERITED_VARIABLES = [
  ...CONFIG_VARIABLES,
  'STEADYPORT_CONFIG',
  'STEADYPORT_HOME',
  'LOG_FORMAT',
  'STEADYPORT_DEBUG',
  'PM2_HOME',
  'PATH',
  'HOME',
  'TZ',
  'LANG',
  'NODE_EXTRA_CA_CERTS',
];

/** Everything that the environment and `.env` say; the one place that reads process.env. */
export interface Settings {
  readonly configPath: string;
  /** STEADYPORT_HOME, default ~/.steadyport: sockets and state. */
  readonly stateDir: string;
  readonly pm2Home: string;
  readonly logFormat: 'text' | 'json';
  readonly variables: ConfigVariables;
  /** True in a process that PM2 started: it is to leave within 1500 ms of SIGINT. */
  readonly isUnderPm2: boolean;
  readonly columns: number | undefined;
  /** The environment for the PM2 apps, without secrets. */
  readonly appEnv: Readonly<Record<string, string>>;
}

/**
 * Environment > `.env` beside the config file > default.
 * @param configPath overrides STEADYPORT_CONFIG; default `steadyport.json` beside ecosystem.config.js
 */
export const readSettings = (configPath?: string): Settings => {
  const env = process.env;
  const path = resolve(configPath ?? (env['STEADYPORT_CONFIG'] || join(ROOT, 'steadyport.json')));
  const dotEnv = readDotEnv(dirname(path));
  const get = (name: string): string | undefined => env[name] || dotEnv[name] || undefined;
  const stateDir = env['STEADYPORT_HOME']
    ? resolve(env['STEADYPORT_HOME'])
    : resolve(dirname(path), dotEnv['STEADYPORT_HOME'] || join(homedir(), '.steadyport'));
  const inherited = INHERITED_VARIABLES.flatMap((name) =>
    env[name] === undefined ? [] : [[name, env[name]] as const],
  );
  return {
    configPath: path,
    stateDir,
    pm2Home: resolve(env['PM2_HOME'] || join(homedir(), '.pm2')),
    logFormat: get('LOG_FORMAT') === 'json' ? 'json' : 'text',
    variables: Object.fromEntries(CONFIG_VARIABLES.map((name) => [name, get(name)])),
    isUnderPm2: env['pm_id'] !== undefined,
    columns: parsePositiveInteger(env['COLUMNS']),
    appEnv: { ...Object.fromEntries(inherited), STEADYPORT_CONFIG: path, STEADYPORT_HOME: stateDir },
  };
};

/** In the PM2 command line (not in a program that uses PM2's API): see ecosystemApps in pm2-apps.ts. */
export const pruneProcessEnv = (): void => {
  if (process.env['PM2_PROGRAMMATIC'] !== undefined) return;
  for (const name of Object.keys(process.env))
    if (!INHERITED_VARIABLES.includes(name) && !name.startsWith('PM2_')) delete process.env[name];
};

/** dotenv's `parse`, not `config()`: secrets must not enter process.env, which PM2 copies. */
export const readDotEnv = (folder: string): Record<string, string> => {
  try {
    return parse(readFileSync(join(folder, '.env')));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return {};
    throw new UsageError(`${join(folder, '.env')} cannot be read: ${message}`, { cause: error });
  }
};

const parsePositiveInteger = (text: string | undefined): number | undefined => {
  const number = Number(text);
  return Number.isInteger(number) && number > 0 ? number : undefined;
};
