import { watch } from 'node:fs';
import { sourceFolders } from './compile.js';

/** An editor writes a file in several steps. */
const QUIET_MS = 100;

/**
 * Calls `onChange` with the TypeScript files that have changed, as paths from the project's root, and never again before it
 * has come to its end. It goes on until the process is ended.
 */
export const watchSources = async (onChange) => {
  const changed = new Set();
  let wake;
  for (const folder of sourceFolders())
    watch(folder, { recursive: true }, (_, name) => {
      if (!name?.endsWith('.ts')) return;
      changed.add(`${folder}/${name}`);
      wake?.();
    });
  for (;;) {
    if (changed.size === 0)
      await new Promise((done) => {
        wake = done;
      });
    await new Promise((done) => setTimeout(done, QUIET_MS));
    const paths = [...changed];
    changed.clear();
    await onChange(paths);
  }
};
