import { readText, writeAtomic } from './files.ts';

/** A file of state, as it was found. */
export type StateFile<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'missing' }
  /** It is no JSON, has another version, or is not what `isValid` expects. */
  | { readonly kind: 'unusable' };

/**
 * Reads a JSON file of state whose layout has a version.
 * @param isValid whether the parsed object, its `version` taken off, can be used
 */
export const readStateFile = <T extends object>(
  path: string,
  version: number,
  isValid: (value: Partial<T>) => boolean,
): StateFile<T> => {
  const text = readText(path);
  if (text === undefined) return { kind: 'missing' };
  try {
    const { version: found, ...value } = JSON.parse(text) as { version?: number } & T;
    return found === version && isValid(value as Partial<T>)
      ? { kind: 'ok', value: value as unknown as T }
      : { kind: 'unusable' };
  } catch {
    return { kind: 'unusable' };
  }
};

/** Writes such a file as a whole or not at all. @throws the system's error, such as ENOSPC */
export const writeStateFile = (path: string, version: number, value: object): void =>
  writeAtomic(path, `${JSON.stringify({ version, ...value })}\n`);
