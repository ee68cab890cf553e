/** A line of an app's log file. */
export interface LogLine {
  /** The app's name. */
  readonly app: string;
  /** True: it was written to stderr. */
  readonly isError: boolean;
  readonly text: string;
  /** When it was written, as far as can be told; never before the line that precedes it in its file. */
  readonly atMs: number;
}

/**
 * The lines of one file, with their times. A line without a timestamp (a stack trace) is as old as the one before
 * it; at the beginning, as old as the first one that has a timestamp.
 * @param otherwiseMs the time of all of them when none has a timestamp
 */
export const dateLines = (
  texts: readonly string[],
  { app, isError }: Pick<LogLine, 'app' | 'isError'>,
  otherwiseMs: number,
): readonly LogLine[] => {
  let atMs: number | undefined;
  const first = texts.map(stampMs).find((stamp) => stamp !== undefined) ?? otherwiseMs;
  return texts.map((text) => {
    atMs = Math.max(stampMs(text) ?? first, atMs ?? first);
    return { app, isError, text, atMs };
  });
};

/** All in the order of time; those of one file stay in its order, also when the clock was set back. */
export const mergeLines = (files: readonly (readonly LogLine[])[]): readonly LogLine[] =>
  files.flat().sort((a, b) => a.atMs - b.atMs);

/** Of a line as `createLog` in logger.ts writes it; undefined for any other. */
const stampMs = (text: string): number | undefined => {
  const local = /^\[(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)\] /.exec(text);
  const stamp = local ? `${local[1]}T${local[2]}` : /^\{"time":"([^"]+)"/.exec(text)?.[1];
  const ms = stamp === undefined ? Number.NaN : Date.parse(stamp);
  return Number.isNaN(ms) ? undefined : ms;
};

/** How text is marked; the identity where there are no colours. */
export interface LogPaint {
  /** @param index of the app among those that are shown */
  app(text: string, index: number): string;
  bad(text: string): string;
}

/** For people. The app's name stands in front where there are several; what came by stderr is marked. */
export const renderLines = (
  lines: readonly LogLine[],
  apps: readonly string[],
  { app: paintApp, bad }: LogPaint,
): string => {
  const width = Math.max(...apps.map((app) => app.length));
  return lines
    .map(({ app, isError, text }) => {
      const name = apps.length > 1 ? `${paintApp(app.padEnd(width), apps.indexOf(app))}  ` : '';
      const mark = isError ? `${bad('err')} | ` : apps.length > 1 ? '    | ' : '';
      return `${name}${mark}${text}\n`;
    })
    .join('');
};
