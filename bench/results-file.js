// RESULTS.md has two parts, each written by a run of its own.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SOAK_TITLE } from './soak/page.js';

const RESULTS = fileURLToPath(new URL('RESULTS.md', import.meta.url));

/** Keeps the other part. */
export const writeResults = (text, { isSoak }) => {
  const before = existsSync(RESULTS) ? readFileSync(RESULTS, 'utf8') : '';
  const begin = before.startsWith(SOAK_TITLE) ? 0 : before.indexOf(`\n${SOAK_TITLE}\n`);
  const costs = begin < 0 ? before : before.slice(0, begin);
  const soak = begin < 0 ? '' : before.slice(begin);
  const parts = isSoak ? [costs, text] : [text, soak];
  const filled = parts.map((part) => part.trim()).filter((part) => part !== '');
  writeFileSync(RESULTS, `${filled.join('\n\n')}\n`);
};
