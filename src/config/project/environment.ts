/**
 * What the environment of this process alone decides. A proxy under PM2 loads this and not settings.ts, which reads files, with
 * dotenv and with valibot for the schema (docs/decisions.md: ADR-0050).
 */

import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ConfigVariables } from '../env-overrides.ts';
import { isProjectName, type Project, projectOf } from './identity.ts';
import { realPath } from './real-path.ts';

/**
 * The variables that reach the PM2 apps. Every other variable of the caller stays out: PM2 shows them in its list, and those
 * that change the config are in the accepted one (config/project/accepted.ts).
 */
const INHERITED_VARIABLES = [
  'STEADYPORT_HOME',
  'STEADYPORT_PROJECT',
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
  /** The path of the config through links, as its user named it (config/project/named-path.ts). */
  readonly namedPath: () => string;
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
  /** The environment for the PM2 apps, without secrets. It has nothing of which the accepted config is made. */
  readonly appEnv: Readonly<Record<string, string>> & ReturnType<typeof identityEnv>;
}

/** The settings that depend on files, or on the accepted config. */
type Chosen = Pick<Settings, 'configPath' | 'namedPath' | 'home' | 'project' | 'logFormat' | 'variables'>;

/** Adds what the environment of this process alone decides. */
export const completeSettings = (chosen: Chosen): Settings => {
  const env = process.env;
  return {
    ...chosen,
    pm2Home: locatePm2Home(),
    isUnderPm2: env['pm_id'] !== undefined,
    pm2Id: env['pm_id'] ?? null,
    columns: parsePositiveInteger(env['COLUMNS']),
    isNpmScript: env['npm_lifecycle_event'] !== undefined && env['npm_package_name'] === 'steadyport',
    commandPrefix: env['STEADYPORT_COMMAND_PREFIX'] || undefined,
    appEnv: { ...inheritedEnv(), ...identityEnv(chosen.home, chosen.project) },
  };
};

/**
 * Whose app this process is, by its environment alone, as PM2 starts it: it needs no file, so that none keeps it from coming
 * back. Undefined where the environment does not say it, as by hand.
 */
export const findOwner = (): Pick<Settings, 'home' | 'project'> | undefined => {
  const { STEADYPORT_HOME: home, STEADYPORT_PROJECT: name } = process.env;
  if (!home || name === undefined || !isProjectName(name)) return undefined;
  const path = realPath(resolve(home));
  return { home: path, project: projectOf(path, name) };
};

/** STEADYPORT_CONFIG of this process; undefined when it is not set. */
export const namedConfig = (): string | undefined => process.env['STEADYPORT_CONFIG'] || undefined;

/**
 * The environment for PM2's command line: that of this process, with other values for some variables. The mark with which PM2's API
 * changes the environment of the process that loads it (index.js of PM2) stays out: a command line with it does not cut its own
 * environment down ({@link pruneProcessEnv}).
 */
export const pm2CommandEnv = (variables: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => {
  const { PM2_PROGRAMMATIC: _mark, ...env } = process.env;
  return { ...env, ...pm2HomeEnv(), ...variables };
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

const inheritedEnv = (...others: readonly string[]): Readonly<Record<string, string>> => {
  const { NODE_EXTRA_CA_CERTS } = process.env;
  return {
    ...Object.fromEntries(
      [...INHERITED_VARIABLES, ...others].flatMap((name) => {
        const value = process.env[name];
        // An empty one says nothing, but for TZ, which is UTC then (tzset(3)).
        return value === undefined || (value === '' && name !== 'TZ') ? [] : [[name, value]];
      }),
    ),
    ...pm2HomeEnv(),
    // A path: see pm2HomeEnv.
    ...(NODE_EXTRA_CA_CERTS && { NODE_EXTRA_CA_CERTS: resolve(NODE_EXTRA_CA_CERTS) }),
  };
};

/** The part of the monitor's environment that has no secret, for the program of ALERT_COMMAND. */
export const programEnv = (): Readonly<Record<string, string>> => inheritedEnv('STEADYPORT_CONFIG');

/**
 * Deletes the variables from process.env that must not reach the PM2 apps; ecosystemApps in pm2/ecosystem.ts has the
 * reason. Only the environment of the PM2 command line is cut down: a program that uses PM2's API keeps its own.
 */
export const pruneProcessEnv = (): void => {
  if (process.env['PM2_PROGRAMMATIC'] !== undefined) return;
  for (const name of Object.keys(process.env))
    if (!INHERITED_VARIABLES.includes(name) && !name.startsWith('PM2_')) delete process.env[name];
};

const parsePositiveInteger = (text: string | undefined): number | undefined => {
  const number = Number(text);
  return Number.isInteger(number) && number > 0 ? number : undefined;
};
