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
const MOST_UNREAD_BYTES = 4_000_000;
let dropped = 0;

/** Lines of one moment are written together: under load, a system call for each would cost more than the lines. */
let together = '';

/** Lines that nobody takes are dropped, and counted in a line once somebody does again. */
const writeStdout = (line: string): void => {
  if (process.stdout.writableLength > MOST_UNREAD_BYTES) {
    dropped += 1;
    return;
  }
  if (together === '') queueMicrotask(flush);
  if (dropped > 0) together += `${dropped} lines were dropped: nobody read them\n`;
  dropped = 0;
  together += line;
};

const flush = (): void => {
  const lines = together;
  together = '';
  if (lines !== '') process.stdout.write(lines);
};

// A process that exits at once does not come to the end of the moment.
process.on('exit', flush);

/** Writes to stdout and keeps the last `most` lines in `recent`, oldest first. */
export const keepRecent = (
  most: number,
): { readonly recent: readonly string[]; write(line: string): void } => {
  const recent: string[] = [];
  return {
    recent,
    write: (line) => {
      writeStdout(line);
      recent.push(line.trimEnd());
      recent.splice(0, recent.length - most);
    },
  };
};

/** "2025-10-31 09:13:17", as the old system wrote it; made once a second. */
const localTime = (at: Date): string => {
  const second = Math.floor(at.getTime() / 1_000);
  if (second !== lastTime.second) lastTime = { second, text: formatTime(at) };
  return lastTime.text;
};
let lastTime = { second: Number.NaN, text: '' };

const formatTime = (at: Date): string => {
  const two = (number: number): string => String(number).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
};
