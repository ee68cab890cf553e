import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { dirname, posix, relative } from 'node:path';

/** Such as `file:///home/me/steadyport/.test-build/src/cli.js:10:5`. */
const POSITION = /(?:file:\/\/)?[^\s()'"]*\.test-build\/(\S+?\.js):(\d+):(\d+)/g;

/**
 * Replaces the positions in compiled files by those in the sources, such as `src/cli.ts:9:3`. This is done once for the text
 * of a failure: source maps in the processes of the tests would take time and memory from every one of them.
 */
export const toSourcePositions = (text) =>
  text.replaceAll(POSITION, (position, file, line, column) => {
    const map = readMap(`.test-build/${file}.map`);
    const entry = map?.findEntry(Number(line) - 1, Number(column) - 1);
    if (entry?.originalSource === undefined) return position;
    const source = posix.join('.test-build', dirname(file), entry.originalSource);
    return `${relative('', source)}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  });

const readMap = (path) => {
  try {
    return new SourceMap(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
};
