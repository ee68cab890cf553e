import { readFileSync } from 'node:fs';
import { posix } from 'node:path';

const IMPORT = /(?:from|import)\s*\(?\s*['"](\.[^'"]+\.ts)['"]|compiled\('([^']+\.ts)'\)/g;

/** A file that has this in it runs the built program, which is made of all of src/. */
const BUILT = /dist\/|support\/cli\.ts/;

/** These read the project's files themselves. Which ones, their text does not say. */
const READS_PROJECT = /^(meta|observability)\//;

/**
 * All files that a file imports, directly or not, itself included, as paths from the project's root.
 * @param read gets a path and returns the text; files that do not exist are left out
 */
const reachableFrom = (file, read) => {
  const found = new Map();
  const visit = (path) => {
    if (found.has(path)) return;
    const text = read(path);
    if (text === undefined) return;
    found.set(path, text);
    for (const [, relative, fromRoot] of text.matchAll(IMPORT))
      visit(fromRoot ?? posix.join(posix.dirname(path), relative));
  };
  visit(file);
  return found;
};

/**
 * The test files that a change concerns: those that import a changed file or have its path in their text, after a change in
 * src/ those that run the built program, and after any change those that read the project's files.
 * @param tests such as "unit/lib/address.test.ts"
 * @param changed paths from the project's root
 */
export const concernedTests = (tests, changed, read = readIfThere) => {
  const isSourceChanged = changed.some((path) => path.startsWith('src/'));
  return tests.filter((test) => {
    if (READS_PROJECT.test(test)) return true;
    const reachable = reachableFrom(`test/${test}`, read);
    const texts = [...reachable.values()];
    return (
      changed.some((path) => reachable.has(path) || texts.some((text) => text.includes(path))) ||
      (isSourceChanged && texts.some((text) => BUILT.test(text)))
    );
  });
};

const readIfThere = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
};
