import { realpathSync } from 'node:fs';
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
