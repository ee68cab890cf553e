import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { isSteadyportName } from '../config/app-names.ts';
import { type Config, forwardingOf } from '../config/config.ts';
import { type LoadedConfig, requireConfig } from '../config/load.ts';
import { dotEnvModifiedAt, readSecrets } from '../config/load-secrets.ts';
import { readAccepted } from '../config/project/accepted.ts';
import { findOwner, pruneProcessEnv, type Settings } from '../config/project/environment.ts';
import { settingsOf } from '../config/project/running.ts';
import { ROOT } from '../config/project-root.ts';
import { readSettings } from '../config/settings.ts';
import { isUsageError } from '../lib/usage-error.ts';
import { makeRelease, type Release } from '../release/release.ts';
import { acceptConfig } from '../system/project/accept-config.ts';
import { recordProject } from '../system/project/record-project.ts';
import { type AppDefinition, type AppsOwner, defineApps, type Owner } from './apps.ts';
import { requireShortPm2Home } from './daemon.ts';

/**
 * The apps that ecosystem.config.js exports, for what PM2 is to do with them: a start accepts the config, and what only ends
 * the apps takes those of the accepted one, so that a broken config keeps nobody from it. A broken config ends the process with
 * its errors and exit code 2, since PM2 would show an exception with its own stack. When the apps exist already, PM2 restarts them with the caller's whole
 * environment and ignores `filter_env`; so inside the PM2 command line the environment is cut down to what may reach them.
 * A mistake in a URL for alerts is only reported: it keeps no port down.
 */
export const ecosystemApps = (): readonly AppDefinition[] => {
  try {
    const isEnd = endsApps(process.argv);
    const { config, settings } = isEnd ? requireAccepted() : acceptFile();
    pruneProcessEnv();
    // What ends the apps needs no release, and must not fail where none can be made.
    return definePm2Apps(config, settings, isEnd ? { folder: ROOT, hash: '' } : makeRelease(settings.home));
  } catch (error) {
    if (!isUsageError(error)) throw error;
    process.stderr.write(`steadyport: ${error.message}\n`);
    process.exit(2);
  }
};

/** The commands of PM2 that take only the names of the apps from an ecosystem file (actionFromJson in its lib/API.js). */
const ENDING_COMMANDS = ['stop', 'delete', 'del'];
/** The options of PM2 without a value that may stand before its command (lib/binaries/CLI.js). */
const PM2_FLAGS = ['-s', '--silent', '-m', '--mini-list', '-f', '--force', '--no-color'];

/**
 * True in a `pm2 stop` or `pm2 delete`. Whatever else loads the ecosystem file, such as a program that uses PM2's API, counts
 * as a start.
 * @param argv process.argv
 */
export const endsApps = ([, program = '', ...words]: readonly string[]): boolean => {
  const command = words.find((word) => !PM2_FLAGS.includes(word));
  return basename(program) === 'pm2' && command !== undefined && ENDING_COMMANDS.includes(command);
};

/** The accepted config, or else the file's. Nothing is accepted. */
const requireAccepted = (): Pick<LoadedConfig, 'config' | 'settings'> => {
  const owner = findOwner() ?? readSettings();
  const reading = readAccepted(owner.project.stateDir);
  if (reading.kind !== 'ok') return requireConfig();
  const { accepted } = reading;
  return { config: accepted.config, settings: settingsOf(accepted, owner) };
};

/** The file's config, which is accepted with that. */
const acceptFile = (): LoadedConfig => {
  const loaded = requireConfig();
  requireShortPm2Home(loaded.settings.pm2Home);
  const { errors, warnings } = readSecrets(loaded.settings);
  const { config, problem: unrecorded } = recordProject(loaded);
  for (const problem of [...errors, ...warnings, ...(unrecorded === null ? [] : [unrecorded])])
    process.stderr.write(`steadyport: ${problem}\n`);
  const claimed = { ...loaded, config };
  acceptConfig(claimed);
  return claimed;
};

/** A variable of each app's environment. Its value changes whenever what the app uses of the config, its settings or the code change. */
export const REVISION = 'STEADYPORT_REVISION';

/**
 * True when an app of PM2's list is one of this owner's: of the same project of the same home. The variables alone prove
 * nothing: PM2 passes a shell's whole environment on to any app that is started there, so the name counts too.
 */
export const isAppOf = (
  owner: Owner,
  name: string,
  env: Readonly<Record<string, unknown>> | undefined,
): boolean =>
  isSteadyportName(name) &&
  env?.[REVISION] !== undefined &&
  env['STEADYPORT_HOME'] === owner.STEADYPORT_HOME &&
  env['STEADYPORT_PROJECT'] === owner.STEADYPORT_PROJECT;

/** {@link isAppOf}, or the app of this config by an earlier version, which knew no projects: a start replaces it. */
export const isOwnApp = (
  { appEnv, configPath }: AppsOwner,
  name: string,
  env: Readonly<Record<string, unknown>> | undefined,
): boolean =>
  isAppOf(appEnv, name, env) || (isOfEarlierVersion(name, env) && env?.['STEADYPORT_CONFIG'] === configPath);

/** True when an app of PM2's list was started by a version that knew no projects: its config is all that says whose it is. */
export const isOfEarlierVersion = (
  name: string,
  env: Readonly<Record<string, unknown>> | undefined,
): boolean =>
  isSteadyportName(name) && env?.[REVISION] !== undefined && env['STEADYPORT_PROJECT'] === undefined;

/**
 * The apps of the config, each with its {@link REVISION}. What a proxy's alerts are is the monitor's affair alone, and so is
 * where the config lies. The monitor's revision includes the time at which `.env` was last changed and not a digest of the
 * secrets: PM2's list would show the digest, and anybody could test guesses against it.
 */
export const definePm2Apps = (
  config: Config,
  settings: Settings,
  release: Release,
): readonly AppDefinition[] => {
  const { appEnv, project, configPath, logFormat } = settings;
  const proxiesByName = new Map(config.proxies.map((proxy) => [proxy.name, proxy]));
  return defineApps(config, release.folder, project, appEnv, configPath).map((app) => {
    const proxy = proxiesByName.get(app.name);
    const relevantConfig = proxy ? forwardingOf(proxy) : [config, dotEnvModifiedAt(settings), configPath];
    const { env, ...definition } = app;
    const revision = digest([release.hash, relevantConfig, definition, project, logFormat]);
    return { ...app, env: { ...env, [REVISION]: revision } };
  });
};

const digest = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
