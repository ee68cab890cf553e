import assert from 'node:assert/strict';
import { isRecord } from '../../src/lib/stored-fields.ts';

/** A schema as valibot documents it for those who walk it. */
interface Schema {
  readonly type: string;
  readonly entries?: Readonly<Record<string, Schema>>;
  readonly item?: Schema;
  readonly wrapped?: Schema;
  readonly options?: readonly string[];
  readonly key?: Schema;
  readonly value?: Schema;
  readonly pipe?: readonly Schema[];
}

/**
 * A valid value with something in each part: lists and records have entries, and what may be null is not.
 * @param keys the keys of each record that may have any
 */
export const sampleOf = (schema: unknown, keys: readonly string[]): unknown => {
  const { type, entries, item, wrapped, options, key, value, pipe } = schema as Schema;
  const each = (part: unknown): unknown => sampleOf(part, keys);
  switch (type) {
    case 'object':
      if (entries && 'boundsMs' in entries) return { boundsMs: [1], counts: [1, 1], sumMs: 1 };
      return Object.fromEntries(Object.entries(entries ?? {}).map(([name, part]) => [name, each(part)]));
    case 'custom':
      return each(pipe?.[1]);
    case 'record':
      return Object.fromEntries((key?.options ?? keys).map((name) => [name, each(value)]));
    case 'array':
      return [each(item), each(item)];
    case 'nullable':
    case 'optional':
      return each(wrapped);
    case 'picklist':
      return options?.[0];
    case 'number':
      return 1;
    case 'string':
      return 'a';
    case 'boolean':
      return true;
    default:
      return assert.fail(`no sample of ${type}`);
  }
};

export type JsonPath = readonly (string | number)[];

/** The paths of all parts of a value, and its own, which is empty. */
export const pathsOf = (value: unknown): readonly JsonPath[] => {
  const parts: readonly (readonly [string | number, unknown])[] = Array.isArray(value)
    ? value.map((part, index) => [index, part] as const)
    : isRecord(value)
      ? Object.entries(value)
      : [];
  return [[], ...parts.flatMap(([key, part]) => pathsOf(part).map((rest) => [key, ...rest]))];
};

export const valueAt = (value: unknown, path: JsonPath): unknown =>
  path.reduce<unknown>((part, key) => (part as Record<string | number, unknown> | undefined)?.[key], value);

/** A copy with another value at the path. */
export const replaceAt = (value: unknown, [key, ...rest]: JsonPath, part: unknown): unknown => {
  if (key === undefined) return part;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<
    string | number,
    unknown
  >;
  copy[key] = replaceAt(copy[key], rest, part);
  return copy;
};
