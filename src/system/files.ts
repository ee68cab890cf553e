/**
 * The room system: the services of the operating system, as small functions. Files, the state directory, DNS, unix sockets,
 * signals and processes are here; what is read from /proc is in proc/.
 */

import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';

/**
 * Replaces the file's text, mode 0600. A reader sees the old text or the new one, never a part (rename(2)).
 * @throws the system's error, such as ENOSPC
 */
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

/** The names in a folder; empty when the folder does not exist or cannot be read. */
export const listFiles = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

/** The plain integer in the file; undefined when the file cannot be read, or holds anything else. */
export const readInteger = (path: string): number | undefined => {
  const text = readText(path);
  return text !== undefined && /^\d+\s*$/.test(text) ? Number(text) : undefined;
};

/** The text of a regular file; undefined when there is none, it cannot be read, or it has more than MAX_TEXT_BYTES. */
export const readText = (path: string): string | undefined => {
  try {
    return readRegularFile(path, MAX_TEXT_BYTES);
  } catch {
    return undefined;
  }
};

const MAX_TEXT_BYTES = 1_048_576;

/**
 * Reads a file that somebody may have replaced by something else.
 * @throws the system's error, or why it is not read: it is no regular file, or has more than `maxBytes`
 */
export const readRegularFile = (path: string, maxBytes: number): string => {
  // Without O_NONBLOCK the open of a FIFO waits until another process writes into it (open(2)).
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new Error('it is no regular file');
    if (stats.size > maxBytes) throw new Error(`it has ${stats.size} bytes: expected at most ${maxBytes}`);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
};

/** The time of the file's last write, in milliseconds of the wall clock; undefined when it does not exist. */
export const modifiedAt = (path: string): number | undefined =>
  statSync(path, { throwIfNoEntry: false })?.mtimeMs;

/**
 * Removes the file, and a folder in its place with all that is in it: a name of ours is ours. A missing file is no error.
 * @throws the system's error
 */
export const removeFile = (path: string): void => rmSync(path, { force: true, recursive: true });

/** Removes the folder if it is there and empty. */
export const removeEmptyFolder = (path: string): void => {
  try {
    rmdirSync(path);
  } catch {
    // It is not empty, or does not exist.
  }
};
