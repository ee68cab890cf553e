import { readdirSync, watch } from 'node:fs';
import { basename } from 'node:path';

/** An editor writes a file in several steps. */
const QUIET_MS = 100;

/** What programs write, and packages. */
const NO_SOURCES = ['.git', '.dev', '.test-build', 'dist', 'node_modules', 'test', 'test/peers'];

/** What editors write beside a file. */
const LEFTOVER = /^(\..*\.sw.|4913|.*~)$/;

const listFolders = (parent) =>
  readdirSync(parent, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => (parent === '.' ? name : `${parent}/${name}`))
    .filter((folder) => !NO_SOURCES.includes(folder));

/**
 * Calls `onChange` with the files of the project that have changed, as paths from its root, and never again before it has
 * come to its end. It goes on until the process is ended.
 * @param onReady is called once the changes are seen
 */
export const watchProject = async (onReady, onChange) => {
  const changed = new Set();
  let wake;
  const note = (path) => {
    if (NO_SOURCES.includes(path) || LEFTOVER.test(basename(path))) return;
    changed.add(path);
    wake?.();
  };
  for (const folder of [...listFolders('.'), ...listFolders('test')])
    watch(folder, { recursive: true }, (_, name) => name && note(`${folder}/${name}`));
  for (const folder of ['.', 'test'])
    watch(folder, (_, name) => name && note(folder === '.' ? name : `${folder}/${name}`));
  onReady();
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
