import { setTimeout as sleep } from 'node:timers/promises';
import type { ParsedArgs } from 'minimist';
import colours from 'picocolors';
import { MONITOR } from '../../config/app-names.ts';
import type { Config } from '../../config/config.ts';
import { requireConfig } from '../../config/load.ts';
import type { Settings } from '../../config/settings.ts';
import { UsageError } from '../../lib/usage-error.ts';
import { dateLines, type LogLine, type LogPaint, mergeLines, renderLines } from '../../logging/merge.ts';
import { type LogFile, openLogFile } from '../../logging/tail.ts';
import { createPm2 } from '../../pm2/client.ts';
import { usualLogs } from '../../pm2/log-paths.ts';
import { isCalled } from '../../status/summary.ts';
import { locateHome } from '../../system/state-dir.ts';

const DEFAULT_LINES = '20';
const FOLLOW_MS = 200;

/** `steadyport logs [NAME] [-n LINES] [-f]`: the last lines in the order of time; exits 1 when there is no log. */
export const run = async (args: ParsedArgs): Promise<number> => {
  const most = countOf(args['lines'] ?? DEFAULT_LINES);
  const { config, settings } = requireConfig();
  const apps = selectApps(config, args._[0]);
  // `logs | head` ends the pipe early.
  process.stdout.once('error', () => process.exit(0));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(0));

  const sources = await openSources(settings, apps, most);
  const show = (lines: readonly LogLine[]): void => {
    process.stdout.write(renderLines(lines, apps, paint));
  };
  const follow = args['follow'] === true;
  const tails = sources.map(({ file, ...about }) =>
    dateLines([...file.tail, ...(follow ? [] : file.close())], about, file.writtenMs ?? 0),
  );
  const last = mergeLines(tails);
  show(last.slice(Math.max(0, last.length - most)));
  if (!follow) return sources.some(({ file }) => file.writtenMs !== null) ? 0 : 1;
  for (;;) {
    const added = sources.map(({ file, ...about }) => dateLines(file.readNew(), about, Date.now()));
    show(mergeLines(added));
    if (added.every((lines) => lines.length === 0)) await sleep(FOLLOW_MS);
  }
};

/** @throws UsageError */
const countOf = (typed: unknown): number => {
  if (typeof typed === 'string' && /^\d{1,15}$/.test(typed)) return Number(typed);
  throw new UsageError(`--lines is ${JSON.stringify(typed)}: expected a whole number`);
};

/** @throws UsageError when no app is called so */
const selectApps = ({ proxies }: Config, wanted: string | undefined): readonly string[] => {
  const apps = [...proxies.map(({ name }) => name), MONITOR];
  if (wanted === undefined) return apps;
  const isMonitor = [MONITOR, 'monitor'].includes(wanted.toLowerCase());
  const called = proxies.filter((proxy) => isCalled(proxy, wanted)).map(({ name }) => name);
  if (!isMonitor && called.length === 0)
    throw new UsageError(`no app "${wanted}"; there is: ${apps.join(', ')}`);
  return [...called, ...(isMonitor ? [MONITOR] : [])];
};

interface Source extends Pick<LogLine, 'app' | 'isError'> {
  readonly file: LogFile;
}

/** What the proxies write, and the files that PM2 names, or usually writes; what is missing is told on stderr. */
const openSources = async (
  { pm2Home, home: homePath }: Pick<Settings, 'pm2Home' | 'home'>,
  apps: readonly string[],
  lines: number,
): Promise<readonly Source[]> => {
  const pm2 = createPm2(pm2Home);
  const view = await pm2.list();
  pm2.close();
  if (!view.ok) tell(`${view.problem}, and nothing is written to the logs meanwhile`);
  const home = locateHome(homePath);
  const sources: Source[] = [];
  for (const app of apps) {
    const { out, err } = (view.ok && view.apps.get(app)?.logs) || usualLogs(pm2Home, app);
    for (const [path, isError] of new Map([
      [err, true],
      [out, false],
    ] as const)) {
      const file = openOrTell(path, lines);
      if (file) sources.push({ app, isError, file });
      if (file?.writtenMs === null && !isError) tell(`${app} has no log: there is no file ${path}`);
    }
    const access = app === MONITOR ? undefined : openOrTell(home.accessLog(app), lines);
    if (access) sources.push({ app, isError: false, file: access });
  }
  return sources;
};

const openOrTell = (path: string, lines: number): LogFile | undefined => {
  try {
    return openLogFile(path, lines);
  } catch (error) {
    tell(`a log cannot be read: ${(error as Error).message}`);
    return undefined;
  }
};

const tell = (text: string): void => {
  process.stderr.write(`steadyport: ${text}\n`);
};

const COLOURS = [colours.cyan, colours.magenta, colours.yellow, colours.blue, colours.green];

const paint: LogPaint = {
  app: (text, index) => (COLOURS[index % COLOURS.length] ?? String)(text),
  bad: colours.red,
};
