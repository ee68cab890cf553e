/** A line of an app's log file. */
export interface LogLine {
  /** The app's name. */
  readonly app: string;
  /** True: it was written to stderr. */
  readonly isError: boolean;
  readonly text: string;
  /** When it was written, as far as can be told; never before the line that precedes it in its file. */
  readonly writtenAt: number;
}

/**
 * The lines of one file, with their times. A line without a timestamp (a stack trace) is as old as the one before
 * it; at the beginning, as old as the first one that has a timestamp.
 * @param fallbackAt the time of all of them when none has a timestamp
 */
export const addTimestamps = (
  texts: readonly string[],
  { app, isError }: Pick<LogLine, 'app' | 'isError'>,
  fallbackAt: number,
): readonly LogLine[] => {
  let writtenAt: number | undefined;
  const firstAt = texts.map(parseTimestamp).find((timestamp) => timestamp !== undefined) ?? fallbackAt;
  return texts.map((text) => {
    writtenAt = Math.max(parseTimestamp(text) ?? firstAt, writtenAt ?? firstAt);
    return { app, isError, text, writtenAt };
  });
};

/** All in the order of time; those of one file stay in its order, also when the clock was set back. */
export const mergeLines = (files: readonly (readonly LogLine[])[]): readonly LogLine[] =>
  files.flat().sort((a, b) => a.writtenAt - b.writtenAt);

/** Of a line as `createLog` in logger.ts writes it; undefined for any other. */
const parseTimestamp = (text: string): number | undefined => {
  const localMatch = /^\[(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)\] /.exec(text);
  const isoText = localMatch ? `${localMatch[1]}T${localMatch[2]}` : /^\{"time":"([^"]+)"/.exec(text)?.[1];
  const timestamp = isoText === undefined ? Number.NaN : Date.parse(isoText);
  return Number.isNaN(timestamp) ? undefined : timestamp;
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
      const marker = isError ? `${bad('err')} | ` : apps.length > 1 ? '    | ' : '';
      return `${name}${marker}${text}\n`;
    })
    .join('');
};
