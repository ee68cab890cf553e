import type { BaseIssue } from 'valibot';
import { nearest } from '../lib/did-you-mean.ts';
import {
  alertsSchema,
  configSchema,
  EXPECTED,
  isRecord,
  logsSchema,
  monitorSchema,
  probeSchema,
  proxySchema,
} from './schema.ts';

/** One mistake: where it stands, what stands there, and what would be right. */
export interface ConfigError {
  readonly path: string;
  readonly value: unknown;
  readonly problem: string;
}

export type Path = readonly PropertyKey[];
/** What a key is called where somebody wrote it: "proxies[0].listen", or a variable. */
export type Name = (path: Path) => string;

/** "proxies[0].holdMs is -1: expected whole milliseconds, 0 to 2147483647" */
export const formatConfigError = ({ path, value, problem }: ConfigError): string => {
  const text = value === undefined ? 'missing' : JSON.stringify(value);
  const short = text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
  return `${path} is ${short}: ${problem}`;
};

const LONGEST_VALUE = 200;

export const formatPath = (path: Path): string =>
  path.reduce<string>(
    (text, key) =>
      typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`,
    '',
  );

/** One mistake for each issue, and for each unknown key: valibot stops at the first one of an object. */
export const describeIssue = (issue: BaseIssue<unknown>, name: Name): readonly ConfigError[] => {
  const path = (issue.path ?? []).map(({ key }) => key as PropertyKey);
  const key = String(path.at(-1));
  if (issue.type === 'strict_object' && issue.expected === 'never')
    return unknownKeys(path.slice(0, -1), issue.path?.at(-1)?.input, name);
  const required =
    path[0] === 'proxies' && path.length === 2 ? EXPECTED.proxy : (REQUIRED[key] ?? 'an object');
  const expected = issue.type === 'strict_object' ? required : issue.message;
  return [{ path: name(path), value: issue.input, problem: `expected ${expected}` }];
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

const unknownKeys = (place: Path, found: unknown, name: Name): ConfigError[] => {
  if (!isRecord(found)) return [];
  const known = knownKeys(place, found);
  return Object.keys(found)
    .filter((key) => !known.includes(key))
    .map((key) => {
      const guess = nearest(key, known);
      const hint = guess ? `did you mean "${guess}"?` : `known here: ${known.join(', ')}`;
      return { path: name([...place, key]), value: found[key], problem: `unknown key; ${hint}` };
    });
};

const knownKeys = (place: Path, found: Record<string, unknown>): string[] => {
  if (place.length === 0) return Object.keys(configSchema.entries);
  if (place[0] === 'monitor') return Object.keys(monitorSchema.entries);
  if (place[0] === 'alerts') return knownOfAlerts(place[1]);
  if (place[0] === 'logs') return Object.keys(logsSchema.entries);
  if (place.length === 2) return Object.keys(proxySchema.entries);
  const probe = probeSchema.options.find(({ entries }) => entries.type.literal === found['type']);
  return Object.keys(probe?.entries ?? {});
};

const knownOfAlerts = (key: PropertyKey | undefined): string[] => {
  const { entries } = alertsSchema;
  if (key === 'flapping') return Object.keys(entries.flapping.wrapped.pipe[0].entries);
  if (key === 'quietHours') return Object.keys(entries.quietHours.wrapped.pipe[0].entries);
  return Object.keys(entries);
};
