import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** @returns the path of the file, written into the bench's own folder */
export const written = (name, text, { folder }) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
