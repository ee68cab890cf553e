import { readFileSync, statSync } from 'node:fs';
import { devNull, homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'dotenv';
import { UsageError } from '../lib/usage-error.ts';
import { CONFIG_VARIABLES, type ConfigVariables } from './env-overrides.ts';
import { findProject, type Project } from './project/project.ts';
import { realPath } from './project/real-path.ts';
import { ROOT } from './project-root.ts';

/** The variables that reach the PM2 apps. Every other variable of the caller stays out, since PM2 shows them in its list. */
const INHERITED_VARIABLES = [
  ...CONFIG_VARIABLES,
  'STEADYPORT_CONFIG',
  'STEADYPORT_HOME',
  'STEADYPORT_PROJECT',
  'LOG_FORMAT',
  'STEADYPORT_DEBUG',
  'PM2_HOME',
  'PATH',
  'HOME',
  'TZ',
  'LANG',
  'NODE_EXTRA_CA_CERTS',
];

/** The settings from the environment and `.env`. Only the room config reads process.env. */
export interface Settings {
  readonly configPath: string;
  /** STEADYPORT_HOME, the folder of the state of all projects of this user, without links. Default: ~/.steadyport. */
  readonly home: string;
  /** Whose apps, state and monitor these are. */
  readonly project: Project;
  /** PM2_HOME. Default: ~/.pm2. */
  readonly pm2Home: string;
  /** LOG_FORMAT. Default: text. */
  readonly logFormat: 'text' | 'json';
  readonly variables: ConfigVariables;
  /** True in a process that PM2 started. It drains for at most PM2_DRAIN_MS after SIGINT. */
  readonly isUnderPm2: boolean;
  /** `pm_id`, the number of the app in PM2's list; null in a process that PM2 did not start. */
  readonly pm2Id: string | null;
  /** COLUMNS, the width of the terminal; undefined when it is no positive integer. */
  readonly columns: number | undefined;
  /** True when a script of this package's package.json runs this process, such as `npm start`. Another package's is none. */
  readonly isNpmScript: boolean;
  /**
   * STEADYPORT_COMMAND_PREFIX, which the demo sets: what stands before each command that a text names, such as
   * "npm run demo --". Undefined elsewhere.
   */
  readonly commandPrefix: string | undefined;
  /** The environment for the PM2 apps, without secrets. */
  readonly appEnv: Readonly<Record<string, string>> & ReturnType<typeof identityEnv>;
}

/**
 * Reads the settings. The environment takes precedence over `.env` beside the config file, and `.env` over the default.
 * @param configPath overrides STEADYPORT_CONFIG; default `steadyport.json` beside ecosystem.config.js
 */
export const readSettings = (configPath?: string): Settings => {
  const env = process.env;
  const defaultConfigPath = join(ROOT, 'steadyport.json');
  const path = resolve(configPath ?? (env['STEADYPORT_CONFIG'] || defaultConfigPath));
  const dotEnv = readDotEnv(dirname(path));
  const get = (name: string): string | undefined => env[name] || dotEnv[name] || undefined;
  const home = realPath(
    env['STEADYPORT_HOME']
      ? resolve(env['STEADYPORT_HOME'])
      : resolve(dirname(path), dotEnv['STEADYPORT_HOME'] || join(homedir(), '.steadyport')),
  );
  const project = findProject({
    home,
    configPath: path,
    defaultConfigPath,
    override: get('STEADYPORT_PROJECT'),
    readConfig: () => readTextFile(path),
  });
  return {
    configPath: path,
    home,
    project,
    pm2Home: locatePm2Home(),
    logFormat: get('LOG_FORMAT') === 'json' ? 'json' : 'text',
    variables: {
      ...Object.fromEntries(CONFIG_VARIABLES.map((name) => [name, get(name)])),
      ...(env['PROXIES'] && dotEnv['PROXIES'] && { dotEnvProxies: dotEnv['PROXIES'] }),
    },
    isUnderPm2: env['pm_id'] !== undefined,
    pm2Id: env['pm_id'] ?? null,
    columns: parsePositiveInteger(env['COLUMNS']),
    isNpmScript: env['npm_lifecycle_event'] !== undefined && env['npm_package_name'] === 'steadyport',
    commandPrefix: env['STEADYPORT_COMMAND_PREFIX'] || undefined,
    appEnv: { ...inheritedEnv(), STEADYPORT_CONFIG: path, ...identityEnv(home, project) },
  };
};

/** The variables that say whose an app is. PM2's list shows them. */
const identityEnv = (home: string, { name }: Project) => ({
  STEADYPORT_HOME: home,
  STEADYPORT_PROJECT: name,
});

/** PM2_HOME, absolute and without a slash at its end. Default: ~/.pm2. */
const locatePm2Home = (): string => resolve(process.env['PM2_HOME'] || join(homedir(), '.pm2'));

/** PM2_HOME where it is set, absolute: the daemon, and the apps, have another working directory than the caller. */
const pm2HomeEnv = (): Readonly<Record<string, string>> =>
  process.env['PM2_HOME'] ? { PM2_HOME: locatePm2Home() } : {};

/** The environment for PM2's command line: that of this process, with other values for some variables. */
export const pm2CommandEnv = (variables: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => ({
  ...process.env,
  ...pm2HomeEnv(),
  ...variables,
});

/** The part of this process's environment that has no secret: for the PM2 apps, and for the program of ALERT_COMMAND. */
export const inheritedEnv = (): Readonly<Record<string, string>> => {
  const { NODE_EXTRA_CA_CERTS } = process.env;
  return {
    ...Object.fromEntries(
      INHERITED_VARIABLES.flatMap((name) => {
        const value = process.env[name];
        return value === undefined ? [] : [[name, value]];
      }),
    ),
    ...pm2HomeEnv(),
    // A path: see pm2HomeEnv.
    ...(NODE_EXTRA_CA_CERTS && { NODE_EXTRA_CA_CERTS: resolve(NODE_EXTRA_CA_CERTS) }),
  };
};

/**
 * Those of the options that npm has taken for its own: it makes a variable of each that stands before a "--"
 * (https://docs.npmjs.com/cli/v11/using-npm/config).
 */
export const optionsOfNpm = (names: readonly string[]): readonly string[] =>
  names.filter((name) => process.env[`npm_config_${name}`]);

/**
 * Deletes the variables from process.env that must not reach the PM2 apps; ecosystemApps in pm2/ecosystem.ts has the
 * reason. Only the environment of the PM2 command line is cut down: a program that uses PM2's API keeps its own.
 */
export const pruneProcessEnv = (): void => {
  if (process.env['PM2_PROGRAMMATIC'] !== undefined) return;
  for (const name of Object.keys(process.env))
    if (!INHERITED_VARIABLES.includes(name) && !name.startsWith('PM2_')) delete process.env[name];
};

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

const parsePositiveInteger = (text: string | undefined): number | undefined => {
  const number = Number(text);
  return Number.isInteger(number) && number > 0 ? number : undefined;
};
