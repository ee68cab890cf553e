import { relative } from 'node:path';
import { realPath } from '../../../config/project/real-path.ts';
import { printable } from '../../../lib/printable.ts';
import type { AppDefinition } from '../../../pm2/apps.ts';
import type { Pm2App } from '../../../pm2/client.ts';
import { REVISION } from '../../../pm2/ecosystem.ts';
import { type DefinedLaunch, launchSettingsFor } from '../../../pm2/launch.ts';
import { releaseHashOf } from '../../../release/release.ts';

/** Finds a program: by its path, or by its name in a PATH. @returns its path without links; undefined when it is not there */
export type FindProgram = (name: string, searchPath: string) => string | undefined;

/**
 * What of an app in PM2's list is not as it is configured, and would not be after its next start by PM2 either. PM2's own
 * restart keeps all of it (docs/decisions.md: ADR-0051). Each text fits after a colon, for one app and for several.
 * @returns an empty list when the app is as it is configured
 */
export const differencesOf = (
  app: AppDefinition,
  listed: Pick<Pm2App, 'env' | 'launch'>,
  isMonitor: boolean,
  findProgram: FindProgram,
): readonly string[] => {
  const differences = [
    ...launchDifferences(launchSettingsFor(app), listed.launch, findProgram),
    ...environmentDifferences(app, listed.env, isMonitor),
  ];
  if (differences.length > 0) return differences;
  // It includes what the others are about, so it counts when nothing else explains it.
  return listed.env[REVISION] === app.env[REVISION] ? [] : [describeChange(app)];
};

/** The code in the folder of a release never changes. In any other folder it may, as in that of `npm run dev`. */
const describeChange = ({ cwd }: AppDefinition): string =>
  releaseHashOf(cwd) === undefined
    ? 'the config or the code has changed'
    : 'the config, or .env, has changed';

const launchDifferences = (
  wanted: DefinedLaunch,
  listed: DefinedLaunch | undefined,
  findProgram: FindProgram,
): readonly string[] => {
  if (listed === undefined) return ['PM2 does not say what it runs'];
  return [
    ...placeDifferences(wanted, listed),
    ...describeOther('another interpreter', listed.interpreter ?? '', wanted.interpreter ?? ''),
    ...programDifferences(wanted, listed, findProgram),
    ...describeOther('other options of the interpreter', listed.interpreterArgs, wanted.interpreterArgs),
    ...describeOther('other arguments', listed.args, wanted.args),
    ...describeOther('another namespace', listed.namespace, wanted.namespace),
  ];
};

/** The script has another path in another folder, which is one difference. */
const placeDifferences = (wanted: DefinedLaunch, listed: DefinedLaunch): readonly string[] => {
  const scriptIn = ({ folder, script }: DefinedLaunch): string => relative(folder, script);
  const [old, next] = [releaseHashOf(listed.folder), releaseHashOf(wanted.folder)];
  return [
    ...(scriptIn(wanted) === scriptIn(listed)
      ? []
      : describeOther('another script', listed.script, wanted.script)),
    ...(old && next
      ? describeOther('another release', old, next)
      : describeOther('another folder', listed.folder, wanted.folder)),
  ];
};

const describeOther = (
  what: string,
  listed: string | readonly string[],
  wanted: string | readonly string[],
): readonly string[] => {
  const [old, next] = [listed, wanted].map((value) => [value].flat().join(' '));
  return old === next ? [] : [`${what}: ${shown(old)}, not ${shown(next)}`];
};

const MAX_VALUE_LENGTH = 200;
const shown = (text = ''): string => printable(text, MAX_VALUE_LENGTH) || '(none)';

/**
 * The interpreter has the same name, and is looked up in the app's own PATH. One that is gone, as after an upgrade by nvm, is
 * a difference while the process still runs: its next start would fail.
 */
const programDifferences = (
  wanted: DefinedLaunch,
  { interpreter, searchPath }: DefinedLaunch,
  findProgram: FindProgram,
): readonly string[] => {
  if (interpreter === null || interpreter !== wanted.interpreter) return [];
  const old = findProgram(interpreter, searchPath ?? '');
  const next = findProgram(interpreter, wanted.searchPath ?? '');
  if (old === next) return [];
  if (old === undefined) return [`${interpreter} is no longer on the PATH, and the next start would fail`];
  return [`another ${interpreter}: ${shown(old)}, not ${shown(next)}`];
};

/**
 * A proxy uses nothing of these but what the interpreter is found by, and TZ for the times in its log. They differ between a
 * shell, cron, sudo and npm, and that is no reason to cut its connections. The monitor runs ALERT_COMMAND with them, makes HTTPS
 * requests, and has quiet hours.
 */
const OF_MONITOR_ALONE: readonly string[] = ['PATH', 'HOME', 'TZ', 'LANG', 'NODE_EXTRA_CA_CERTS'];

const CONFIG_PATH = 'STEADYPORT_CONFIG';

/** Both paths, as of a config that was moved: unlike the values of other variables they are no secret. */
const configPathDifference = (wanted: string | undefined, listed: unknown): readonly string[] =>
  wanted === undefined || listed === undefined ? [] : describeOther('another config', String(listed), wanted);

/** No values but the config's path: PM2's list is open to whoever may ask PM2, and a terminal's scrollback need not have what leaked into it. */
const environmentDifferences = (
  app: AppDefinition,
  listed: Pm2App['env'],
  isMonitor: boolean,
): readonly string[] => {
  const isCompared = (name: string): boolean =>
    name !== REVISION && (isMonitor || !OF_MONITOR_ALONE.includes(name));
  const isOurs = (name: string): boolean => Object.hasOwn(app.env, name);
  const wantedNames = Object.keys(app.env).filter(isCompared);
  const listedNames = Object.keys(listed).filter(isCompared);
  const differing = wantedNames.filter(
    (name) =>
      name !== CONFIG_PATH &&
      listed[name] !== undefined &&
      normalize(name, listed[name]) !== normalize(name, app.env[name]),
  );
  return [
    ...describeVariables(
      listedNames.filter((name) => !isOurs(name) && !isOfPm2(name, app.name)),
      'there, and should not be',
    ),
    ...describeVariables(
      wantedNames.filter((name) => listed[name] === undefined),
      'missing',
    ),
    ...describeVariables(differing, 'another one'),
    ...configPathDifference(app.env[CONFIG_PATH], listed[CONFIG_PATH]),
  ];
};

/**
 * The variables that PM2 itself puts into an app's environment: `unique_id` (God.prepare in its lib/God.js), one of the app's
 * name (lib/API.js), and those of its own command line, which `--update-env` copies.
 */
const isOfPm2 = (name: string, app: string): boolean =>
  name === 'unique_id' || name === app || name.startsWith('PM2_');

const MAX_NAMES = 3;

/** "environment: FOO, BAR (there, and should not be)" */
const describeVariables = (names: readonly string[], what: string): readonly string[] => {
  if (names.length === 0) return [];
  const rest = names.length - MAX_NAMES;
  const list = names.slice(0, MAX_NAMES).map((name) => shown(name));
  return [`environment: ${list.join(', ')}${rest > 0 ? ` and ${rest} more` : ''} (${what})`];
};

/**
 * The folders that npm puts before the PATH of its scripts are no difference to a start without npm, and neither is another path
 * to the same PM2_HOME.
 */
const normalize = (name: string, value: unknown): string =>
  name === 'PATH'
    ? textOf(value)
        .split(':')
        .filter((folder) => !/\/(?:node_modules\/\.bin|node-gyp-bin)$/.test(folder))
        .join(':')
    : name === 'PM2_HOME'
      ? realPath(textOf(value))
      : String(value);

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
