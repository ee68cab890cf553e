import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isUsageError, type UsageError } from '../../lib/usage-error.ts';
import type { Config } from '../config.ts';
import { loadConfig } from '../load.ts';
import { logFormatOf, readDotEnv, type Settings, variablesOf } from '../settings.ts';
import { type AcceptedConfig, isSame } from './accepted.ts';
import { checksum } from './checksum.ts';

/** How the sources of the config differ from what was accepted of them. */
export type ConfigDrift = {
  /** When what runs was accepted, in wall-clock milliseconds. */
  readonly acceptedAt: number;
  /** The name of the file that was edited: the config's, or `.env`. */
  readonly file: string;
  /** Its path. */
  readonly path: string;
  /** Its last edit, in wall-clock milliseconds; null when the file is gone, or cannot be looked at. */
  readonly editedAt: number | null;
} & (
  | {
      readonly kind: 'edited';
      /** What differs, in a few words each; empty when it is but the order. */
      readonly differences: readonly string[];
    }
  /** `missing`: there is no config file at the path, as after a move of its folder. */
  | { readonly kind: 'broken' | 'missing'; readonly error: UsageError }
);

/**
 * Compares the config file and `.env` with what was accepted of them. The variables of the environment are those of the start,
 * since nobody else sees them: what was given to the start alone is no difference.
 * @param settings of what runs, or of a command that asks
 * @returns null when a start would accept the same, be it written differently
 */
export const findDrift = (accepted: AcceptedConfig, settings: Settings): ConfigDrift | null => {
  const { configPath, dotEnvPath } = sourcesOf(settings);
  const driftIn = (path: string) =>
    ({ acceptedAt: accepted.acceptedAt, file: basename(path), path, editedAt: editedAt(path) }) as const;
  let path = dotEnvPath;
  try {
    const dotEnv = readDotEnv(dirname(configPath));
    path = configPath;
    const { config, text, logFormat } = loadAsAtStart(accepted, settings, dotEnv);
    if (isSame(accepted, { config, logFormat })) return null;
    const edited = checksum(text) === accepted.textChecksum ? dotEnvPath : configPath;
    const differences = describeDifferences(accepted, { config, logFormat });
    return { kind: 'edited', ...driftIn(edited), differences };
  } catch (error) {
    if (!isUsageError(error)) throw error;
    const kind = path === configPath && isMissing(path) ? 'missing' : 'broken';
    return { kind, ...driftIn(path), error };
  }
};

/** The state of the files that {@link findDrift} reads: while it stays the same, so does the result. It never rejects. */
export const readSourcesState = async (settings: Settings): Promise<string> => {
  const states = Object.values(sourcesOf(settings)).map((path) =>
    stat(path).then(
      ({ mtimeMs, ctimeMs, size, ino }) => [mtimeMs, ctimeMs, size, ino],
      (error: NodeJS.ErrnoException) => error.code,
    ),
  );
  return JSON.stringify(await Promise.all(states));
};

const sourcesOf = ({ configPath }: Settings) => ({
  configPath,
  dotEnvPath: join(dirname(configPath), '.env'),
});

/** The config that a start would accept now, with the variables of the one that accepted last. */
const loadAsAtStart = (
  { variables: given }: AcceptedConfig,
  settings: Settings,
  dotEnv: Readonly<Record<string, string>>,
) => {
  const variables = variablesOf(given, dotEnv);
  const logFormat = logFormatOf(given, dotEnv);
  return { ...loadConfig({ ...settings, variables }), logFormat };
};

const editedAt = (path: string): number | null => {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return null;
  }
};

/** True when nothing is there by this name, nor by that of a folder before it. A file that cannot be looked at is not missing. */
const isMissing = (path: string): boolean => {
  try {
    statSync(path);
    return false;
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
  }
};

/** The number of differences that are named. */
const MAX_DIFFERENCES = 5;

/** "port 6280 is new", "port 6277 is gone", "port 6274 differs", "monitor differs" */
export const describeDifferences = (
  before: Pick<AcceptedConfig, 'config' | 'logFormat'>,
  now: Pick<AcceptedConfig, 'config' | 'logFormat'>,
): readonly string[] => {
  const differences = [
    ...describePorts(before.config, now.config),
    ...(['host', 'monitor', 'alerts', 'logs'] as const)
      .filter((key) => JSON.stringify(before.config[key]) !== JSON.stringify(now.config[key]))
      .map((key) => `"${key}" differs`),
    ...(before.logFormat === now.logFormat ? [] : ['LOG_FORMAT differs']),
  ];
  const omitted = differences.length - MAX_DIFFERENCES;
  return omitted > 0 ? [...differences.slice(0, MAX_DIFFERENCES), `and ${omitted} more`] : differences;
};

const describePorts = (before: Config, now: Config): readonly string[] => {
  const texts = (config: Config) =>
    new Map(config.proxies.map((proxy) => [proxy.place, JSON.stringify(proxy)]));
  const [old, current] = [texts(before), texts(now)];
  const disabled = new Set(now.disabled.map(({ place }) => place));
  return [
    ...[...current.keys()].filter((place) => !old.has(place)).map((place) => `${place} is new`),
    ...[...old.keys()]
      .filter((place) => !current.has(place))
      .map((place) => `${place} is ${disabled.has(place) ? 'disabled' : 'gone'}`),
    ...[...current]
      .filter(([place, text]) => old.has(place) && old.get(place) !== text)
      .map(([place]) => `${place} differs`),
  ];
};
