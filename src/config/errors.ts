import { type BaseIssue, type GenericSchema, safeParse } from 'valibot';
import { closestWord } from '../lib/did-you-mean.ts';
import { printable } from '../lib/printable.ts';
import { configSchema, isRecord } from './schema.ts';

/** One mistake: where it stands, what stands there, and what would be right. */
export interface ConfigError {
  readonly path: string;
  readonly value: unknown;
  readonly problem: string;
}

export type Path = readonly PropertyKey[];
/** Names a key as the user wrote it: "proxies[0].listen", or a variable. */
export type DescribePath = (path: Path) => string;

/** Describes the mistake: "proxies[0].holdMs is -1: expected whole milliseconds, 0 to 2147483647" */
export const formatConfigError = ({ path, value, problem }: ConfigError): string => {
  const text = formatValue(value);
  const shortened = text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH)}…` : text;
  return printable(`${path} is ${shortened}: ${problem}`);
};

/** The value as JSON; a number that is too large for one, such as 1e999, as Infinity: JSON would have null for it. */
const formatValue = (value: unknown): string => {
  if (value === undefined) return 'missing';
  return typeof value === 'number' ? String(value) : JSON.stringify(value, nameInfinity);
};

const nameInfinity = (_key: string, value: unknown): unknown =>
  value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY ? String(value) : value;

const MAX_VALUE_LENGTH = 200;

export const formatPath = (path: Path): string =>
  path.reduce<string>(
    (text, key) =>
      typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`,
    '',
  );

/** One mistake for each issue, and for each unknown key: valibot stops at the first unknown key of an object. */
export const describeIssue = (
  issue: BaseIssue<unknown>,
  describePath: DescribePath,
): readonly ConfigError[] => {
  const places = issue.path ?? [];
  const path = places.map(({ key }) => key as PropertyKey);
  switch (kindOf(issue)) {
    case 'unknown_key':
      return describeUnknownKeys(path.slice(0, -1), places, describePath);
    case 'missing_key':
      return [{ path: describePath(path), value: issue.input, problem: `expected ${expectedAt(places)}` }];
    case 'wrong_value':
      return [{ path: describePath(path), value: issue.input, problem: `expected ${issue.message}` }];
  }
};

/** An object reports its keys itself: an unknown one by "never", a missing one by its name in quotes. */
const kindOf = ({ type, expected }: BaseIssue<unknown>): 'unknown_key' | 'missing_key' | 'wrong_value' => {
  if (type !== 'strict_object' || expected === 'Object') return 'wrong_value';
  return expected === 'never' ? 'unknown_key' : 'missing_key';
};

/** The text of what the schema at a path expects: its message for a missing value. */
const expectedAt = (places: Places): string => {
  const schema = schemaAt(places);
  const parsed = safeParse(schema as GenericSchema, undefined);
  return parsed.issues?.[0].message ?? 'a value';
};

/** Keys that had another name before 0.1.0, and their name now. */
const RENAMED: Readonly<Record<string, string>> = {
  act: 'restart',
  restartBudget: 'maxRestarts',
  breakerMs: 'restartCooldownMs',
  suspectIntervalMs: 'fastIntervalMs',
  upstreamIntervalMs: 'probeIntervalMs',
  groupMs: 'groupWaitMs',
  remindMs: 'repeatIntervalMs',
  downs: 'threshold',
  withinMs: 'windowMs',
  keep: 'maxFiles',
};

const describeUnknownKeys = (parentPath: Path, places: Places, describePath: DescribePath): ConfigError[] => {
  const parent = places.at(-1)?.input;
  if (!isRecord(parent)) return [];
  const known = Object.keys(entriesOf(schemaAt(places.slice(0, -1)), parent));
  return Object.keys(parent)
    .filter((key) => !known.includes(key))
    .map((key) => ({
      path: describePath([...parentPath, key]),
      value: parent[key],
      // A guess takes time, and only the first mistakes are shown.
      get problem() {
        return `unknown key; ${hintFor(key, known)}`;
      },
    }));
};

const hintFor = (key: string, known: readonly string[]): string => {
  const renamed = RENAMED[key];
  if (renamed !== undefined && known.includes(renamed)) return `it is now called "${renamed}"`;
  const guess = closestWord(key, known);
  return guess ? `did you mean "${guess}"?` : `known here: ${known.join(', ')}`;
};

type Places = readonly { readonly key: unknown; readonly input: unknown }[];

/** The schema at a path. The `input` of each step is the value that contains the next `key`; it picks the option of a variant. */
const schemaAt = (places: Places): unknown =>
  places.reduce<unknown>(
    (schema, { key, input }) =>
      typeof key === 'number' ? fieldOf(unwrap(schema), 'item') : entriesOf(schema, input)[String(key)],
    configSchema,
  );

/**
 * The keys of an object's schema and the schema of each, by the fields that valibot documents: `wrapped` of an optional
 * one, `options` of a variant, `entries` of an object. Empty where the schema is not that of an object.
 */
const entriesOf = (schema: unknown, value: unknown): Record<string, unknown> => {
  const unwrapped = unwrap(schema);
  const options = fieldOf(unwrapped, 'options');
  const isChosen = (option: unknown): boolean =>
    fieldOf(entriesOf(option, value)['type'], 'literal') === fieldOf(value, 'type');
  const chosen = Array.isArray(options) ? options.find(isChosen) : unwrapped;
  const entries = fieldOf(chosen, 'entries');
  return isRecord(entries) ? entries : {};
};

/** The schema inside of an optional one. */
const unwrap = (schema: unknown): unknown => {
  const wrapped = fieldOf(schema, 'wrapped');
  return wrapped === undefined ? schema : unwrap(wrapped);
};

const fieldOf = (schema: unknown, key: string): unknown => (isRecord(schema) ? schema[key] : undefined);
