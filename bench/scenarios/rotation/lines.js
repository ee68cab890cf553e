// What became of the lines: all files of a log, the oldest first, each line looked at.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const LINE = /^\[[-\d]{10} [:\d]{8}\] (\d+): 10\.0\.0\.9:52572 → .*, total 4 ms$/;

/** Rotated files of the log, the oldest first: logrotate counts up from 1, the newest; the module writes when it was. */
export const rotatedOf = (folder, name) =>
  readdirSync(folder)
    .filter((one) => one !== `${name}.log` && one.startsWith(name))
    .sort((a, b) => numberOf(b) - numberOf(a) || (a < b ? -1 : 1));

const numberOf = (file) => Number(/\.log\.(\d+)/.exec(file)?.[1] ?? 0);

/** @returns how many of the lines 0 to `count` - 1 are missing, torn, there more than once, or before an earlier one */
export const countLines = (folder, name, count) => {
  const seen = new Uint8Array(count);
  const result = { lost: 0, torn: 0, doubled: 0, disordered: 0 };
  let last = -1;
  for (const file of [...rotatedOf(folder, name), `${name}.log`])
    for (const line of linesOf(join(folder, file))) {
      const number = Number(LINE.exec(line)?.[1] ?? Number.NaN);
      if (!(number < count)) {
        result.torn += 1;
        continue;
      }
      seen[number] += 1;
      if (seen[number] > 1) result.doubled += 1;
      else if (number < last) result.disordered += 1;
      last = number;
    }
  result.lost = seen.filter((times) => times === 0).length;
  return result;
};

/** None where it has just been renamed, and nothing was written since. */
export const linesOf = (path) => {
  if (!existsSync(path)) return [];
  const bytes = readFileSync(path);
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
  return text.split('\n').slice(0, text.endsWith('\n') ? -1 : undefined);
};
