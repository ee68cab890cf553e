import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isUsageError, type UsageError } from '../../lib/usage-error.ts';
import type { Config } from '../config.ts';
import { loadConfig } from '../load.ts';
import { logFormatOf, readDotEnv, type Settings, variablesOf } from '../settings.ts';
import { type AcceptedConfig, isSame } from './accepted.ts';
import { checksum } from './checksum.ts';
import { isMissing } from './real-path.ts';

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
      /** What differs, in a few words each. */
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

/** The number of differences that are named. */
const MAX_DIFFERENCES = 5;

/** "port 6280 is new", "port 6277 would close: it is removed", "port 6274 differs", "monitor differs"; else it is but the order. */
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
  if (differences.length === 0) return ['the order differs'];
  const omitted = differences.length - MAX_DIFFERENCES;
  return omitted > 0 ? [...differences.slice(0, MAX_DIFFERENCES), `and ${omitted} more`] : differences;
};

/** What a start would do to each port, and what it would merely note. */
const describePorts = (before: Config, now: Config): readonly string[] => {
  const [old, current] = [textsOf(before.proxies), textsOf(now.proxies)];
  const [oldDisabled, disabled] = [textsOf(before.disabled), textsOf(now.disabled)];
  const added = [...current.keys()].filter((place) => !old.has(place));
  const closed = [...old.keys()].filter((place) => !current.has(place));
  const isMoved = (place: string): boolean => added.includes(place) || closed.includes(place);
  return [
    ...added.map((place) => `${place} is ${oldDisabled.has(place) ? 'enabled' : 'new'}`),
    ...closed.map((place) => `${place} would close: it is ${disabled.has(place) ? 'disabled' : 'removed'}`),
    ...[...current]
      .filter(([place, text]) => old.has(place) && old.get(place) !== text)
      .map(([place]) => `${place} differs`),
    ...[...new Set([...oldDisabled.keys(), ...disabled.keys()])]
      .filter((place) => !isMoved(place) && oldDisabled.get(place) !== disabled.get(place))
      .map((place) => `${place}, which is disabled, ${describeDisabled(place, oldDisabled, disabled)}`),
  ];
};

type Texts = ReadonlyMap<string, string>;

const describeDisabled = (place: string, old: Texts, current: Texts): string => {
  if (!old.has(place)) return 'is new';
  return current.has(place) ? 'differs' : 'is removed';
};

/** The entries of each place. Of those that are disabled, several may be of one. */
const textsOf = (proxies: Config['proxies']): Texts => {
  const places = [...new Set(proxies.map(({ place }) => place))];
  return new Map(
    places.map((place) => [place, JSON.stringify(proxies.filter((proxy) => proxy.place === place))]),
  );
};
