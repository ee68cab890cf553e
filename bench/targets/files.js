import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Writes a file into the bench's own folder. @returns its path */
export const written = (name, text, { folder }) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
