import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folders: string[] = [];

/**
 * Makes an empty folder that is removed when this process ends. The end of the test would be too early: hooks run in the
 * order in which they were registered, so a program that the test started afterwards would still write into the folder.
 */
export const tempFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'sp-'));
  if (folders.length === 0) process.once('exit', removeAll);
  folders.push(folder);
  return folder;
};

/** Tries again for 5 s: a program that was killed just now may not have ended yet. */
const removeAll = (): void => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
};
