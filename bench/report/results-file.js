// RESULTS.md consists of parts, each written by a run of its own.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FATES_TITLE } from './fates.js';
import { ROTATION_TITLE } from './rotation.js';
import { SOAK_TITLE } from './soak.js';
import { STALLED_TITLE } from './stalled.js';
import { WATCHED_TITLE } from './watched.js';

const RESULTS = fileURLToPath(new URL('../RESULTS.md', import.meta.url));
/** The titles of all parts but the first, the costs. */
const TITLES = {
  soak: SOAK_TITLE,
  fates: FATES_TITLE,
  stalled: STALLED_TITLE,
  watched: WATCHED_TITLE,
  rotation: ROTATION_TITLE,
};

/** Keeps the other parts. @param kind 'costs', or a key of TITLES */
export const writeResults = (text, kind) => {
  const before = existsSync(RESULTS) ? readFileSync(RESULTS, 'utf8') : '';
  const parts = Object.fromEntries(['costs', ...Object.keys(TITLES)].map((key) => [key, '']));
  let part = 'costs';
  for (const line of before.split('\n')) {
    part = Object.keys(TITLES).find((key) => TITLES[key] === line) ?? part;
    parts[part] += `${line}\n`;
  }
  parts[kind] = text;
  const filled = Object.values(parts)
    .map((content) => content.trim())
    .filter((content) => content !== '');
  writeFileSync(RESULTS, `${filled.join('\n\n')}\n`);
};
