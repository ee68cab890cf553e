/**
 * Writes lines for people in local time, or one JSON object a line (`LOG_FORMAT=json`).
 * @param event a stable name for machines
 * @param text the sentence for people
 */
export type Log = (event: string, text: string, fields?: Readonly<Record<string, unknown>>) => void;

export const createLog =
  (format: 'text' | 'json', write: (line: string) => void = (line) => process.stdout.write(line)): Log =>
  (event, text, fields = {}) => {
    const now = new Date();
    write(
      format === 'json'
        ? `${JSON.stringify({ time: now.toISOString(), event, text, ...fields })}\n`
        : `[${localTime(now)}] ${text}\n`,
    );
  };

/** Writes to stdout and keeps the last `most` lines in `recent`, oldest first. */
export const keepRecent = (
  most: number,
): { readonly recent: readonly string[]; write(line: string): void } => {
  const recent: string[] = [];
  return {
    recent,
    write: (line) => {
      process.stdout.write(line);
      recent.push(line.trimEnd());
      recent.splice(0, recent.length - most);
    },
  };
};

/** "2025-10-31 09:13:17", as the old system wrote it. */
const localTime = (at: Date): string => {
  const two = (number: number): string => String(number).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
};
