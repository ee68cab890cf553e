import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** @throws when neither the folder nor one above it has an ecosystem.config.js */
function findRoot(folder: string): string {
  if (existsSync(join(folder, 'ecosystem.config.js'))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error(`no folder above ${import.meta.url} has an ecosystem.config.js`);
  return findRoot(parent);
}

/** The project's root: the folder of ecosystem.config.js, above src/ and dist/ alike. */
export const ROOT = findRoot(dirname(fileURLToPath(import.meta.url)));

/** This package's version. */
export const VERSION: string = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version;
