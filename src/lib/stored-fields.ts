import * as v from 'valibot';

/**
 * The building blocks of the schemas of stored data: the state files, and the reports of the proxies. A schema stands beside
 * the functions of what it describes, and the type is inferred from it. The messages say what would be right.
 */

/** A number from 0 that can be added to for as long as the project lives: sums of two stay finite. */
export const count = numberFrom(0, Number.MAX_SAFE_INTEGER, 'a number from 0');

/** Wall-clock milliseconds, up to the last instant of a `Date` (ECMA-262, time values and time range). */
export const instant = numberFrom(0, 8.64e15, 'a time in milliseconds since 1970');

/** A process; neither 0 nor less, which would be a group of them (kill(2)). The maximum is Linux's PID_MAX_LIMIT. */
export const processId = v.pipe(numberFrom(1, 2 ** 22, 'a process id'), v.integer('a process id'));

export const flag = v.boolean('true or false');

export const text = v.string('a text');

export const oneOf = <const T extends readonly string[]>(values: T) =>
  v.picklist(values, `one of: ${values.join(', ')}`);

export const orNull = <S extends v.GenericSchema>(schema: S) => v.nullable(schema);

/** A field that a later release added: `fallback` where the data do not have it. */
export const withDefault = <S extends v.GenericSchema, const D extends v.Default<S, undefined>>(
  schema: S,
  fallback: D,
) => v.optional(schema, fallback);

export const listOf = <S extends v.GenericSchema>(item: S) => v.pipe(v.array(item, 'a list'), v.readonly());

/** An object with these keys; others are left out. */
export const fields = <const E extends v.ObjectEntries>(entries: E) =>
  v.pipe(v.object(entries, 'an object'), v.readonly());

/** An object with any keys, or with those of `key`. */
export const recordOf = <S extends v.GenericSchema, K extends v.GenericSchema<string, string>>(
  value: S,
  key: K,
) => v.pipe(v.custom<object>(isRecord, 'an object'), v.record(key, value, 'an object'), v.readonly());

/** True for an object in the sense of JSON: neither null nor a list. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function numberFrom(min: number, max: number, expected: string) {
  return v.pipe(v.number(expected), v.minValue(min, expected), v.maxValue(max, expected));
}
