import { readText, writeAtomic } from './files.ts';

/** The result of reading a state file. */
export type StateFile<T> =
  | { readonly kind: 'ok'; readonly value: T }
  /** The file does not exist, or cannot be read. */
  | { readonly kind: 'missing' }
  /** The file is not JSON, has another version, or fails `isValid`. */
  | { readonly kind: 'unusable' };

/**
 * Reads a JSON state file whose layout has a version.
 * @param version the only version that is read
 * @param isValid whether the parsed object, without its `version`, can be used
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

/**
 * Writes a JSON state file as a whole or not at all.
 * @throws the system's error, such as ENOSPC
 */
export const writeStateFile = (path: string, version: number, value: object): void =>
  writeAtomic(path, `${JSON.stringify({ version, ...value })}\n`);
