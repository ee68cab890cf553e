// Checks every line of a log, in all its files, oldest first.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const LINE = /^\[[-\d]{10} [:\d]{8}\] (\d+): 10\.0\.0\.9:52572 → .*, total 4 ms$/;

/**
 * @returns the rotated files of the log, oldest first: logrotate numbers them from 1, the newest, and the module puts
 *   the time into the name
 */
export const rotatedOf = (folder, name) =>
  readdirSync(folder)
    .filter((file) => file !== `${name}.log` && file.startsWith(name))
    .sort((a, b) => numberOf(b) - numberOf(a) || (a < b ? -1 : 1));

const numberOf = (file) => Number(/\.log\.(\d+)/.exec(file)?.[1] ?? 0);

/** @returns how many of the lines 0 to `count` - 1 are missing, torn, duplicated, or before an earlier line */
export const countLines = (folder, name, count) => {
  const timesFound = new Uint8Array(count);
  const result = { lost: 0, torn: 0, duplicated: 0, disordered: 0 };
  let last = -1;
  for (const file of [...rotatedOf(folder, name), `${name}.log`])
    for (const line of linesOf(join(folder, file))) {
      const number = Number(LINE.exec(line)?.[1] ?? Number.NaN);
      if (!(number < count)) {
        result.torn += 1;
        continue;
      }
      timesFound[number] += 1;
      if (timesFound[number] > 1) result.duplicated += 1;
      else if (number < last) result.disordered += 1;
      last = number;
    }
  result.lost = timesFound.filter((times) => times === 0).length;
  return result;
};

/** @returns no line for a missing file: it was just renamed, and nothing was written since */
export const linesOf = (path) => {
  if (!existsSync(path)) return [];
  const bytes = readFileSync(path);
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
  return text.split('\n').slice(0, text.endsWith('\n') ? -1 : undefined);
};
