import { existsSync, linkSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type BaseIssue, type GenericSchema, safeParse } from 'valibot';
import { formatConfigError, formatPath } from '../config/errors.ts';
import { isRecord } from '../lib/stored-fields.ts';
import { listFiles, readRegularFile, removeFile, writeAtomic } from './files.ts';

/** The format of a JSON state file. A field that a later format adds needs no new version: see `initial`. */
export interface StateFormat<T> {
  /** The only version of the layout that is read. */
  readonly version: number;
  /** The schema of the file without its `version`. */
  readonly schema: GenericSchema<unknown, T>;
  /**
   * What the file begins with, and each part of it that is missing or does not fit. A record begins empty, and its entries
   * as {@link eachEntry} says.
   */
  readonly initial: T;
}

/** The result of reading a state file. */
export interface StateReading<T> {
  /** Complete and valid, whatever the file holds. */
  readonly value: T;
  /** `repaired`: the parts named by `problems` begin anew. `unusable`: the whole file does. */
  readonly kind: 'ok' | 'missing' | 'repaired' | 'unusable';
  /** What does not fit: the path in the JSON, the value there, and what would be right. */
  readonly problems: readonly string[];
}

/** The largest state file that is read or written; those of a thousand ports have about 10 MB. */
const MAX_BYTES = 33_554_432;

/** The number of files that are kept of those that were put aside, for each state file. */
const MAX_ASIDE = 5;

/** The number of problems that one line of the log names. */
const MAX_LOGGED = 5;

const ENTRY = Symbol('each entry');

/**
 * The initial value of a record: empty, and `initial` for each part of an entry that is missing or does not fit. Without
 * it such an entry is left out.
 */
export const eachEntry = <T>(initial: T): Readonly<Record<string, T>> =>
  Object.defineProperty({}, ENTRY, { value: initial });

/** Reads a state file and changes nothing. It never throws, and never waits for a FIFO. */
export const readStateFile = <T>(path: string, format: StateFormat<T>): StateReading<T> => {
  const { version, initial } = format;
  const unusable = (problem: string): StateReading<T> => ({
    value: initial,
    kind: 'unusable',
    problems: [problem],
  });
  let content: unknown;
  try {
    content = JSON.parse(readRegularFile(path, MAX_BYTES));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? { value: initial, kind: 'missing', problems: [] } : unusable(message);
  }
  if (!isRecord(content))
    return unusable(describeMisfit({ path: [], value: content, expected: 'an object' }));
  const { version: found, ...stored } = content;
  if (found !== version)
    return unusable(describeMisfit({ path: ['version'], value: found, expected: String(version) }));
  const { value, problems } = repair(stored, format);
  return { value, kind: problems.length > 0 ? 'repaired' : 'ok', problems };
};

/**
 * Reads a state file. What cannot be used of it begins anew, and the file as it was is kept beside it, under a name with the
 * time such as `monitor.json.bad-20261130T061251Z`; the last MAX_ASIDE are kept.
 * @param onProblem is called once with what does not fit, when something does not
 */
export const openStateFile = <T extends object>(
  path: string,
  format: StateFormat<T>,
  onProblem: (text: string) => void,
): T => {
  const { value, kind, problems } = readStateFile(path, format);
  const omitted = problems.length - MAX_LOGGED;
  const reasons = problems.slice(0, MAX_LOGGED).join('; ') + (omitted > 0 ? `; and ${omitted} more` : '');
  if (kind === 'unusable') {
    const aside = putAside(path, (target) => renameSync(path, target));
    onProblem(`⚠️  ${path} cannot be used, and begins anew: ${reasons}. ${aside}`);
  }
  if (kind === 'repaired') {
    // The file keeps its name until the repaired one replaces it: the parts that fit outlive an end of this process here.
    const aside = putAside(path, (target) => {
      linkSync(path, target);
      writeStateFile(path, format.version, value);
    });
    onProblem(`⚠️  Parts of ${path} begin anew: ${reasons}. ${aside}`);
  }
  return value;
};

/** True when somebody has removed the file, but not its folder, so that it can be written anew. */
export const isRemoved = (path: string): boolean => !existsSync(path) && existsSync(dirname(path));

/**
 * Writes a JSON state file as a whole or not at all.
 * @throws the system's error, such as ENOSPC, and a RangeError for a file that would not be read again
 */
export const writeStateFile = (path: string, version: number, value: object): void => {
  const text = `${JSON.stringify({ version, ...value })}\n`;
  if (Buffer.byteLength(text) > MAX_BYTES)
    throw new RangeError(`${path} would have more than ${MAX_BYTES} bytes`);
  writeAtomic(path, text);
};

/** @returns where the file is now, in words */
const putAside = (path: string, keep: (target: string) => void): string => {
  try {
    const target = asidePath(path, new Date());
    keep(target);
    return [`The file as it was: ${target}`, ...removeOldest(dirname(path), basename(path))].join('. ');
  } catch (error) {
    return `The file could not be put aside: ${(error as Error).message}`;
  }
};

const asidePath = (path: string, now: Date): string => {
  const dated = `${path}.bad-${now.toISOString().replace(/[-:]|\.\d+/g, '')}`;
  const names = Array.from({ length: MAX_ASIDE }, (_, index) => (index === 0 ? dated : `${dated}-${index}`));
  return names.find((name) => !existsSync(name)) ?? dated;
};

/** @returns a sentence for each file that could not be removed; it stops no other removal */
const removeOldest = (folder: string, name: string): readonly string[] => {
  const aside = listFiles(folder).filter((candidate) => candidate.startsWith(`${name}.bad-`));
  return aside
    .sort()
    .slice(0, -MAX_ASIDE)
    .flatMap((oldest) => {
      try {
        removeFile(join(folder, oldest));
        return [];
      } catch (error) {
        return [`An older one could not be removed: ${(error as Error).message}`];
      }
    });
};

type Path = readonly PropertyKey[];

/** Each round ends the problems of the one before; a part that was put in its first state may not fit the rest. */
const MAX_ROUNDS = 5;

/** Makes a valid value of the stored one: what is missing is filled in, what does not fit begins anew. */
const repair = <T>(
  stored: unknown,
  { schema, initial }: StateFormat<T>,
): Pick<StateReading<T>, 'value' | 'problems'> => {
  const problems = new Set<string>();
  let candidate = fillIn(stored, initial);
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const parsed = safeParse(schema, candidate);
    if (parsed.success) return { value: parsed.output, problems: [...problems] };
    const misfits = parsed.issues.map(misfitOf);
    for (const misfit of misfits) problems.add(describeMisfit(misfit));
    const paths = misfits.map(({ path }) => path);
    candidate = reset(candidate, initial, paths);
  }
  return { value: initial, problems: [...problems] };
};

/** Adds the keys that an object lacks. */
const fillIn = (stored: unknown, initial: unknown): unknown =>
  isRecord(stored) && isRecord(initial)
    ? {
        ...initial,
        ...mapEntries(stored, (value, key) => fillIn(value, initialOf(initial, key))),
      }
    : stored;

/**
 * Puts the parts at the paths into their first state. An element of a list is left out instead; so is a part without a first
 * state, with all that contains it up to the next list or record.
 * @param initial the first state of `stored`; undefined when it has none
 * @returns undefined when `stored` itself is to be left out
 */
const reset = (stored: unknown, initial: unknown, paths: readonly Path[]): unknown => {
  if (paths.length === 0) return stored;
  if (paths.some((path) => path.length === 0)) return initial;
  const resetPart = (value: unknown, key: string): unknown =>
    reset(
      value,
      initialOf(initial, key),
      paths.filter(([first]) => String(first) === key).map(([, ...rest]) => rest),
    );
  if (Array.isArray(stored))
    return stored.map((value, index) => resetPart(value, String(index))).filter(isPresent);
  if (!isRecord(stored) || !isRecord(initial)) return initial;
  const parts = mapEntries(stored, resetPart);
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => isPresent(value)));
};

/** The first state of a part: that of its key, or else that of each entry. A list has none for its elements. */
const initialOf = (initial: unknown, key: string): unknown => {
  if (!isRecord(initial)) return undefined;
  return Object.hasOwn(initial, key) ? initial[key] : (initial as { [ENTRY]?: unknown })[ENTRY];
};

const mapEntries = (
  object: Readonly<Record<string, unknown>>,
  map: (value: unknown, key: string) => unknown,
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value, key)]));

const isPresent = (value: unknown): boolean => value !== undefined;

/** What is wrong, and where. */
interface Misfit {
  readonly path: Path;
  readonly value: unknown;
  readonly expected: string;
}

/** An object reports a missing key with its own message; and one that got a list reports its keys instead of itself. */
const misfitOf = ({ path: places = [] as never, input, message }: BaseIssue<unknown>): Misfit => {
  const path = places.map(({ key }) => key as PropertyKey);
  const listAt = places.findIndex((place) => Array.isArray(place.input) && typeof place.key === 'string');
  if (listAt >= 0)
    return { path: path.slice(0, listAt), value: places[listAt]?.input, expected: 'an object' };
  const isMissing = places.length > 0 && places.at(-1)?.value === undefined;
  return { path, value: input, expected: isMissing ? 'a value' : message };
};

/** "ports.6274.health.failures is null: expected an object" */
const describeMisfit = ({ path, value, expected }: Misfit): string =>
  formatConfigError({
    path: formatPath(path) || 'the content',
    value,
    problem: `expected ${expected}`,
  });
