import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Finds the compiled form of a file of src/ or test/, for a child process to run or to import.
 * @param path as in the checkout, such as "src/health/state.ts"
 */
export const compiled = (path: string): URL => {
  const url = new URL(`../../${path.replace(/\.ts$/, '.js')}`, import.meta.url);
  assert.ok(existsSync(fileURLToPath(url)), `there is no ${path}`);
  return url;
};
