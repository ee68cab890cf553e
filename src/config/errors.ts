import type { BaseIssue } from 'valibot';
import { closestWord } from '../lib/did-you-mean.ts';
import { configSchema, EXPECTED, isRecord } from './schema.ts';

/** One mistake: where it stands, what stands there, and what would be right. */
export interface ConfigError {
  readonly path: string;
  readonly value: unknown;
  readonly problem: string;
}

export type Path = readonly PropertyKey[];
/** What a key is called where somebody wrote it: "proxies[0].listen", or a variable. */
export type DescribePath = (path: Path) => string;

/** "proxies[0].holdMs is -1: expected whole milliseconds, 0 to 2147483647" */
export const formatConfigError = ({ path, value, problem }: ConfigError): string => {
  const text = value === undefined ? 'missing' : JSON.stringify(value);
  const shortened = text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH)}…` : text;
  return `${path} is ${shortened}: ${problem}`;
};

const MAX_VALUE_LENGTH = 200;

export const formatPath = (path: Path): string =>
  path.reduce<string>(
    (text, key) =>
      typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`,
    '',
  );

/** One mistake for each issue, and for each unknown key: valibot stops at the first one of an object. */
export const describeIssue = (
  issue: BaseIssue<unknown>,
  describePath: DescribePath,
): readonly ConfigError[] => {
  const path = (issue.path ?? []).map(({ key }) => key as PropertyKey);
  const key = String(path.at(-1));
  if (issue.type === 'strict_object' && issue.expected === 'never')
    return describeUnknownKeys(path.slice(0, -1), issue.path?.at(-1)?.input, describePath);
  const required =
    path[0] === 'proxies' && path.length === 2 ? EXPECTED.proxy : (REQUIRED[key] ?? 'an object');
  const expected = issue.type === 'strict_object' ? required : issue.message;
  return [{ path: describePath(path), value: issue.input, problem: `expected ${expected}` }];
};

const REQUIRED: Readonly<Record<string, string>> = {
  proxies: EXPECTED.proxies,
  listen: EXPECTED.listen,
  upstream: EXPECTED.upstream,
  expect: EXPECTED.expect,
  from: EXPECTED.time,
  to: EXPECTED.time,
  quietHours: EXPECTED.quietHours,
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

const describeUnknownKeys = (
  parentPath: Path,
  parent: unknown,
  describePath: DescribePath,
): ConfigError[] => {
  if (!isRecord(parent)) return [];
  const known = knownKeys(parentPath, parent);
  return Object.keys(parent)
    .filter((key) => !known.includes(key))
    .map((key) => {
      const renamed = RENAMED[key];
      const guess = closestWord(key, known);
      const hint =
        renamed !== undefined && known.includes(renamed)
          ? `it is now called "${renamed}"`
          : guess
            ? `did you mean "${guess}"?`
            : `known here: ${known.join(', ')}`;
      return {
        path: describePath([...parentPath, key]),
        value: parent[key],
        problem: `unknown key; ${hint}`,
      };
    });
};

/** The keys that the schema has at a place; none where it has no object there. */
const knownKeys = (parentPath: Path, parent: Record<string, unknown>): string[] => {
  const schema = unwrap(parentPath.reduce<unknown>(childOf, configSchema));
  const options = fieldOf(schema, 'options');
  const isChosen = (option: unknown): boolean =>
    fieldOf(fieldOf(fieldOf(option, 'entries'), 'type'), 'literal') === parent['type'];
  const chosen = Array.isArray(options) ? options.find(isChosen) : schema;
  return Object.keys(fieldOf(chosen, 'entries') ?? {});
};

/** Walks a valibot schema by the fields that it documents: `entries` of an object, `item` of a list, `options` of a variant. */
const childOf = (schema: unknown, key: PropertyKey): unknown =>
  typeof key === 'number'
    ? fieldOf(unwrap(schema), 'item')
    : fieldOf(fieldOf(unwrap(schema), 'entries'), String(key));

/** The schema inside of an optional one. */
const unwrap = (schema: unknown): unknown => {
  const wrapped = fieldOf(schema, 'wrapped');
  return wrapped === undefined ? schema : unwrap(wrapped);
};

const fieldOf = (schema: unknown, key: string): unknown => (isRecord(schema) ? schema[key] : undefined);
