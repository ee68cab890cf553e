import { printable } from '../lib/printable.ts';

/** A line of an app's log file. */
export interface LogLine {
  /** The app's name. */
  readonly app: string;
  /** True when it was written to stderr. */
  readonly isError: boolean;
  /** True for a line of the log of connections. */
  readonly isConnection: boolean;
  readonly text: string;
  /** The time of the line, as far as it is known; never before the line that precedes it in its file. */
  readonly writtenAt: number;
}

/** What the lines of one file have in common. */
export type LogOrigin = Pick<LogLine, 'app' | 'isError' | 'isConnection'>;

/**
 * Adds the times to the lines of one file. A line without a timestamp (a stack trace) gets the time of the line before
 * it. At the beginning it gets the time of the first line that has a timestamp.
 * @param fallbackAt the time of all lines when none has a timestamp
 */
export const addTimestamps = (
  texts: readonly string[],
  origin: LogOrigin,
  fallbackAt: number,
): readonly LogLine[] => {
  let writtenAt: number | undefined;
  const firstAt = texts.map(parseTimestamp).find((timestamp) => timestamp !== undefined) ?? fallbackAt;
  return texts.map((text) => {
    writtenAt = Math.max(parseTimestamp(text) ?? firstAt, writtenAt ?? firstAt);
    return { ...origin, text, writtenAt };
  });
};

/** Sorts the lines of all files by time. The lines of one file keep their order, also when the clock was set back. */
export const mergeLines = (files: readonly (readonly LogLine[])[]): readonly LogLine[] =>
  files.flat().sort((a, b) => a.writtenAt - b.writtenAt);

/**
 * The last lines. Those of connections have at most half of the places where the others fill the rest: under traffic they
 * would leave no place for what says what happened.
 * @param lines in the order of time
 * @param maxLines 0: none
 */
export const lastLines = (lines: readonly LogLine[], maxLines: number): readonly LogLine[] => {
  const connections = lines.filter(({ isConnection }) => isConnection).length;
  const others = lines.length - connections;
  const omitted = {
    connections: Math.max(0, connections - Math.max(Math.floor(maxLines / 2), maxLines - others)),
    others: Math.max(0, others - Math.max(Math.ceil(maxLines / 2), maxLines - connections)),
  };
  return lines.filter(({ isConnection }) => omitted[isConnection ? 'connections' : 'others']-- <= 0);
};

/** The timestamp of a line as `createLog` in logger.ts writes it; undefined for any other line. */
const parseTimestamp = (text: string): number | undefined => {
  const localMatch = /^\[(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)\] /.exec(text);
  const isoText = localMatch ? `${localMatch[1]}T${localMatch[2]}` : /^\{"time":"([^"]+)"/.exec(text)?.[1];
  const timestamp = isoText === undefined ? Number.NaN : Date.parse(isoText);
  return Number.isNaN(timestamp) ? undefined : timestamp;
};

/** Functions that colour text; they return it unchanged where there are no colours. */
export interface LogPaint {
  /** @param index the position of the app among the apps that are shown */
  app(text: string, index: number): string;
  bad(text: string): string;
}

/** Makes text for people. With several apps, each line begins with the app's name. Lines from stderr are marked. */
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
      return `${name}${marker}${printable(text)}\n`;
    })
    .join('');
};
