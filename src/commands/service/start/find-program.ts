import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * Finds a program as execvp(3) does.
 * @param name its path, or its name in a folder of `searchPath`
 * @returns its path without links; undefined when it is not there, or cannot be run
 */
export const findProgram = (name: string, searchPath: string): string | undefined => {
  const candidates = name.includes('/')
    ? [name]
    : searchPath.split(delimiter).map((folder) => join(folder || '.', name));
  for (const candidate of candidates) {
    try {
      accessSync(candidate, constants.X_OK);
      if (statSync(candidate).isFile()) return realpathSync(candidate);
    } catch {
      // It is not this one.
    }
  }
  return undefined;
};
