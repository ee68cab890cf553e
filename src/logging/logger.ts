/**
 * Writes lines for people in local time, or one JSON object a line (`LOG_FORMAT=json`).
 * @param event a stable name for machines
 * @param text the sentence for people
 * @param fields what machines get beside it; asked for where there are many lines, of which most are for people
 */
export type Log = (event: string, text: string, fields?: Fields | (() => Fields)) => void;
type Fields = Readonly<Record<string, unknown>>;

export const createLog =
  (format: 'text' | 'json', write: (line: string) => void = writeStdout): Log =>
  (event, text, fields = {}) => {
    const now = new Date();
    write(
      format === 'json'
        ? `${JSON.stringify({ time: now.toISOString(), event, text, ...(typeof fields === 'function' ? fields() : fields) })}\n`
        : `[${localTime(now)}] ${text}\n`,
    );
  };

/** What a reader of stdout that has stopped reading (a hung PM2 daemon) may cost at most, in memory. */
const MAX_UNREAD_BYTES = 4_000_000;
let droppedLines = 0;

/** Lines of one moment are written together: under load, a system call for each would cost more than the lines. */
let pending = '';

/** Lines that nobody takes are dropped, and counted in a line once somebody does again. */
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

// A process that exits at once does not come to the end of the moment.
process.on('exit', flush);

/** Writes to stdout and keeps the last `most` lines in `recent`, oldest first. */
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

/** "2025-10-31 09:13:17", as the old system wrote it; made once a second. */
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
