import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** The path without links. What does not exist, or cannot be looked at, keeps its name: below a folder that exists. */
export const realPath = (path: string): string => {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPath(parent), basename(path));
  }
};

/** True when nothing is there by this name, nor by that of a folder before it. A file that cannot be looked at is not missing. */
export const isMissing = (path: string): boolean => {
  try {
    statSync(path);
    return false;
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
  }
};
