/**
 * The room logging: writes this program's logs, rotates them, and reads and merges the logs of its PM2 apps.
 * A log is made here, for stdout or for any function that takes lines.
 */

/**
 * Writes one line: for people in local time, or as a JSON object (`LOG_FORMAT=json`).
 * @param event a stable name for machines
 * @param text the sentence for people
 * @param fields the JSON object's other fields. Default: none. A function is called only when the format is JSON
 */
export type Log = (event: string, text: string, fields?: Fields | (() => Fields)) => void;
type Fields = Readonly<Record<string, unknown>>;

export const createLog =
  (format: 'text' | 'json', write: (line: string) => void = writeStdout): Log =>
  (event, text, fields = {}) => {
    const now = new Date();
    write(
      format === 'json'
        ? formatJson(now, event, text, typeof fields === 'function' ? fields() : fields)
        : `[${localTime(now)}] ${text}\n`,
    );
  };

const formatJson = (now: Date, event: string, text: string, fields: Fields): string =>
  `${JSON.stringify({ time: now.toISOString(), event, text, ...fields })}\n`;

/** The maximum that stdout buffers for a reader that has stopped reading (a hung PM2 daemon). */
const MAX_UNREAD_BYTES = 4_000_000;
let droppedLines = 0;

/** Lines of the same moment are written together: under load, a system call for each costs more than the lines. */
let pending = '';

/** Drops lines while the buffer is full, and writes how many there were when the reader reads again. */
const writeStdout = (line: string): void => {
  if (process.stdout.writableLength > MAX_UNREAD_BYTES) {
    droppedLines += 1;
    return;
  }
  if (pending === '') queueMicrotask(flush);
  if (droppedLines > 0) pending += `${droppedLines} lines were dropped: nobody read them\n`;
  droppedLines = 0;
  pending += line;
};

const flush = (): void => {
  const lines = pending;
  pending = '';
  if (lines !== '') process.stdout.write(lines);
};

// A process that exits at once runs no more microtasks.
process.on('exit', flush);

/** Writes to stdout, and keeps the last `maxLines` lines in `recent`, oldest first. */
export const recentLines = (
  maxLines: number,
): { readonly recent: readonly string[]; write(line: string): void } => {
  const recent: string[] = [];
  return {
    recent,
    write: (line) => {
      writeStdout(line);
      recent.push(line.trimEnd());
      recent.splice(0, recent.length - maxLines);
    },
  };
};

/** "2025-10-31 09:13:17", as the old system wrote it. The text is cached for the second. */
const localTime = (date: Date): string => {
  const second = Math.floor(date.getTime() / 1_000);
  if (second !== cachedTime.second) cachedTime = { second, text: formatTime(date) };
  return cachedTime.text;
};
let cachedTime = { second: Number.NaN, text: '' };

const formatTime = (date: Date): string => {
  const twoDigits = (number: number): string => String(number).padStart(2, '0');
  const day = `${date.getFullYear()}-${twoDigits(date.getMonth() + 1)}-${twoDigits(date.getDate())}`;
  return `${day} ${twoDigits(date.getHours())}:${twoDigits(date.getMinutes())}:${twoDigits(date.getSeconds())}`;
};
