import { createHash } from 'node:crypto';
import { isSteadyportName } from '../config/app-names.ts';
import { type Config, forwardingOf } from '../config/config.ts';
import { requireConfig } from '../config/load.ts';
import { dotEnvModifiedAt, readSecrets } from '../config/load-secrets.ts';
import { ROOT } from '../config/project-root.ts';
import { pruneProcessEnv, type Settings } from '../config/settings.ts';
import { isUsageError } from '../lib/usage-error.ts';
import { makeRelease, type Release } from '../release/release.ts';
import { type AppDefinition, defineApps, type Owner } from './apps.ts';
import { requireShortPm2Home } from './daemon.ts';

/**
 * The apps that ecosystem.config.js exports. A broken config ends the process with its errors and exit code 2, since PM2
 * would show an exception with its own stack. When the apps exist already, PM2 restarts them with the caller's whole
 * environment and ignores `filter_env`; so inside the PM2 command line the environment is cut down to what may reach them.
 * A mistake in a URL for alerts is only reported: it keeps no port down.
 */
export const ecosystemApps = (): readonly AppDefinition[] => {
  try {
    const { config, settings } = requireConfig();
    requireShortPm2Home(settings.pm2Home);
    const { errors, warnings } = readSecrets(settings);
    for (const problem of [...errors, ...warnings]) process.stderr.write(`steadyport: ${problem}\n`);
    pruneProcessEnv();
    return definePm2Apps(config, settings, releaseFor(settings));
  } catch (error) {
    if (!isUsageError(error)) throw error;
    process.stderr.write(`steadyport: ${error.message}\n`);
    process.exit(2);
  }
};

/** PM2's commands that take only the names of the apps from an ecosystem file (bin/pm2, actionFromJson in its lib/API.js). */
const COMMANDS_WITHOUT_RELEASE = ['stop', 'delete', 'del'];

/**
 * The release for the command of PM2 that loads the ecosystem file. What ends the apps needs none, and must not fail where none
 * can be made.
 */
const releaseFor = ({ home }: Settings): Release =>
  process.argv.some((word) => COMMANDS_WITHOUT_RELEASE.includes(word))
    ? { folder: ROOT, hash: '' }
    : makeRelease(home);

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

/**
 * The apps of the config, each with its {@link REVISION}. What a proxy's alerts are is the monitor's affair alone. The monitor's revision includes the time at which `.env` was last
 * changed and not a digest of the secrets: PM2's list would show the digest, and anybody could test guesses against it.
 */
export const definePm2Apps = (
  config: Config,
  settings: Settings,
  release: Release,
): readonly AppDefinition[] => {
  const { appEnv, project, configPath, logFormat } = settings;
  const proxiesByName = new Map(config.proxies.map((proxy) => [proxy.name, proxy]));
  return defineApps(config, release.folder, project, appEnv).map((app) => {
    const proxy = proxiesByName.get(app.name);
    const relevantConfig = proxy ? forwardingOf(proxy) : [config, dotEnvModifiedAt(settings)];
    const { env, ...definition } = app;
    const revision = digest([release.hash, relevantConfig, definition, project, configPath, logFormat]);
    return { ...app, env: { ...env, [REVISION]: revision } };
  });
};

const digest = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
