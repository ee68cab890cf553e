import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';

/** Whoever reads the file sees the old text or the new one, never a part (rename(2)). Throws when the disk is full. */
export const writeAtomic = (path: string, text: string): void => {
  const tempPath = `${path}.${process.pid}`;
  try {
    writeFileSync(tempPath, text, { mode: 0o600 });
    renameSync(tempPath, path);
  } catch (error) {
    removeFile(tempPath);
    throw error;
  }
};

/** The names in a folder; none when there is no such folder. */
export const listFiles = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

/** The plain integer in the file; undefined when there is no file or no integer in it. */
export const readInteger = (path: string): number | undefined => {
  const text = readText(path);
  return text !== undefined && /^\d+\s*$/.test(text) ? Number(text) : undefined;
};

export const readText = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

/** When the file was written; undefined when there is none. */
export const modifiedAt = (path: string): number | undefined =>
  statSync(path, { throwIfNoEntry: false })?.mtimeMs;

export const removeFile = (path: string): void => rmSync(path, { force: true });
