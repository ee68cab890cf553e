import { existsSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'dotenv';
import { UsageError } from '../lib/usage-error.ts';
import { type Config, type ConfigResult, parseConfig } from './config.ts';
import { CONFIG_VARIABLES, type ConfigVariables } from './env-overrides.ts';
import { formatConfigError } from './errors.ts';
import { misplacedSecrets, parseSecrets, type Secrets, usesOf } from './secrets.ts';

function rootAbove(folder: string): string {
  if (existsSync(join(folder, 'ecosystem.config.js'))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error(`no folder above ${import.meta.url} has an ecosystem.config.js`);
  return rootAbove(parent);
}

/** The project's root: the folder of ecosystem.config.js. */
export const ROOT = rootAbove(dirname(fileURLToPath(import.meta.url)));

/** This package's version. */
export const VERSION: string = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version;

/** The variables that reach the PM2 apps; everything else of the caller's environment stays out of PM2's list. */
const PASSED_ON = [
  ...CONFIG_VARIABLES,
  'STEADYPORT_CONFIG',
  'STEADYPORT_HOME',
  'LOG_FORMAT',
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
  readonly home: string;
  readonly pm2Home: string;
  readonly logFormat: 'text' | 'json';
  readonly variables: ConfigVariables;
  /** True in a process that PM2 started: it is to leave within 1500 ms of SIGINT. */
  readonly underPm2: boolean;
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
  const fromFile = readDotEnv(dirname(path));
  const get = (name: string): string | undefined => env[name] || fromFile[name] || undefined;
  const home = env['STEADYPORT_HOME']
    ? resolve(env['STEADYPORT_HOME'])
    : resolve(dirname(path), fromFile['STEADYPORT_HOME'] || join(homedir(), '.steadyport'));
  const passed = PASSED_ON.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const]));
  return {
    configPath: path,
    home,
    pm2Home: resolve(env['PM2_HOME'] || join(homedir(), '.pm2')),
    logFormat: get('LOG_FORMAT') === 'json' ? 'json' : 'text',
    variables: Object.fromEntries(CONFIG_VARIABLES.map((name) => [name, get(name)])),
    underPm2: env['pm_id'] !== undefined,
    columns: positive(env['COLUMNS']),
    appEnv: { ...Object.fromEntries(passed), STEADYPORT_CONFIG: path, STEADYPORT_HOME: home },
  };
};

/** The config file and the variables over it; a file that cannot be read or parsed is one more kind of mistake. */
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
        ? 'expected a config file here; see the README, or set STEADYPORT_CONFIG'
        : code === undefined
          ? `expected JSON; ${withLine(message, text)}`
          : `expected a file that can be read; ${message}`;
    return { ok: false, errors: [{ path: 'the config file', value: configPath, problem }] };
  }
  return parseConfig(file, variables);
};

/** "… at position 13" with the line and column, which V8 adds from Node.js 22 on. */
const withLine = (message: string, text: string): string => {
  const position = /at position (\d+)$/.exec(message)?.[1];
  if (position === undefined) return message;
  const before = text.slice(0, Number(position)).split('\n');
  return `${message} (line ${before.length} column ${(before.at(-1) ?? '').length + 1})`;
};

/** The config and the settings it was read with. @throws UsageError that names every mistake */
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

/**
 * The URLs of `.env` that nobody else may know. They are read where they are used, and are no part of {@link Settings}.
 * @returns also the mistakes in them, and what is to be told about where they stand; neither has a value in it
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
  const { secrets, errors } = parseSecrets(readDotEnv(dirname(configPath)));
  const mode = usesOf(secrets).length > 0 ? statSync(path).mode & 0o777 : 0;
  return {
    secrets,
    errors: errors.map((error) => `${path}: ${error}`),
    warnings: [
      ...misplacedSecrets(process.env).map(
        (name) =>
          `${name} is not read from the environment, which PM2 shows in its list; write it into ${path}`,
      ),
      ...(mode & 0o077
        ? [`${path} has secrets, and others can read it (mode 0${mode.toString(8)}): chmod 600 ${path}`]
        : []),
    ],
  };
};

/** When `.env` was last written to, wall-clock milliseconds; 0 when there is none. */
export const dotEnvChangedMs = ({ configPath }: Settings): number =>
  statSync(join(dirname(configPath), '.env'), { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** {@link readSecrets}, for what is run by hand. @throws UsageError that names every mistake */
export const requireSecrets = (settings: Settings) => {
  const { secrets, errors, warnings } = readSecrets(settings);
  if (errors.length > 0) throw new UsageError(errors.join('\n'));
  return { secrets, warnings };
};

/** In the PM2 command line (not in a program that uses PM2's API): see ecosystemApps in pm2-apps.ts. */
export const keepOnlyAppEnv = (): void => {
  if (process.env['PM2_PROGRAMMATIC'] !== undefined) return;
  for (const name of Object.keys(process.env))
    if (!PASSED_ON.includes(name) && !name.startsWith('PM2_')) delete process.env[name];
};

/** dotenv's `parse`, not `config()`: secrets must not enter process.env, which PM2 copies. */
const readDotEnv = (folder: string): Record<string, string> => {
  try {
    return parse(readFileSync(join(folder, '.env')));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return {};
    throw new UsageError(`${join(folder, '.env')} cannot be read: ${message}`, { cause: error });
  }
};

const positive = (text: string | undefined): number | undefined => {
  const number = Number(text);
  return Number.isInteger(number) && number > 0 ? number : undefined;
};
