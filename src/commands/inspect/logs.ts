import { setTimeout as sleep } from 'node:timers/promises';
import type { ParsedArgs } from 'minimist';
import colours from 'picocolors';
import type { Config } from '../../config/config.ts';
import { requireRunningConfig } from '../../config/project/running.ts';
import { readSettings, type Settings } from '../../config/settings.ts';
import { npmCommand } from '../../lib/command-lines.ts';
import { UsageError } from '../../lib/usage-error.ts';
import {
  addTimestamps,
  type LogLine,
  type LogOrigin,
  type LogPaint,
  lastLines,
  mergeLines,
  renderLines,
} from '../../logging/merge.ts';
import { type LogFile, openLogFile } from '../../logging/tail.ts';
import { createPm2 } from '../../pm2/client.ts';
import { defaultLogPaths } from '../../pm2/log-paths.ts';
import { matchesQuery } from '../../status/summary.ts';
import { locateStateDir } from '../../system/state-dir.ts';
import { warnOfBrokenConfig } from '../config-drift.ts';
import { warnOfKeptOptions } from '../npm-options.ts';
import { warn } from '../terminal.ts';

const DEFAULT_LINES = '20';
const POLL_INTERVAL_MS = 200;

/**
 * `steadyport logs [NAME] [-n LINES] [-f]` prints the last lines of the apps' logs in the order of time.
 * @returns 1 when there is no log, otherwise 0
 */
export const run = async (args: ParsedArgs): Promise<number> => {
  const maxLines = parseLineCount(args['lines'] ?? DEFAULT_LINES);
  const settings = readSettings();
  const { config } = await requireRunningConfig(settings);
  warnOfBrokenConfig(settings);
  warnOfKeptOptions('logs', ['lines', 'follow'], settings);
  const apps = selectApps(config, settings, args._[0]);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(0));

  const sources = await openSources(settings, apps, maxLines);
  const show = (lines: readonly LogLine[]): void => {
    process.stdout.write(renderLines(lines, apps, paint));
  };
  const shouldFollow = args['follow'] === true;
  // `logs -f | head` ends when head does.
  if (shouldFollow) process.stdout.once('error', () => process.exit(0));
  const tails = sources.map(({ file, ...origin }) =>
    addTimestamps([...file.tail, ...(shouldFollow ? [] : file.close())], origin, file.writtenAt ?? 0),
  );
  show(lastLines(mergeLines(tails), maxLines));
  if (!shouldFollow) return sources.some(({ file }) => file.writtenAt !== null) ? 0 : 1;
  for (;;) {
    const newLines = sources.map(({ file, ...origin }) =>
      addTimestamps(file.readNewLines(), origin, Date.now()),
    );
    show(mergeLines(newLines));
    if (newLines.every((lines) => lines.length === 0)) await sleep(POLL_INTERVAL_MS);
  }
};

/** @throws UsageError */
const parseLineCount = (typed: unknown): number => {
  if (typeof typed === 'string' && /^\d{1,15}$/.test(typed)) return Number(typed);
  throw new UsageError(`--lines is ${JSON.stringify(typed)}: expected a whole number`);
};

/** The apps that a name, a port or a label means, disabled ones too; all that are enabled when none is given. @throws UsageError when nothing matches */
const selectApps = (
  { proxies, disabled }: Config,
  { isNpmScript, project: { monitorApp } }: Settings,
  requestedName: string | undefined,
): readonly string[] => {
  const apps = [...proxies.map(({ name }) => name), monitorApp];
  if (requestedName === undefined) return apps;
  const isMonitor = [monitorApp, 'monitor'].includes(requestedName.toLowerCase());
  const matchingNames = [...proxies, ...disabled]
    .filter((proxy) => matchesQuery(proxy, requestedName))
    .map(({ name }) => name);
  if (!isMonitor && matchingNames.length === 0) {
    // npm takes the -n of `npm run logs -n 30`, and passes on the 30.
    const hint = isNpmScript ? `; options come after "--": ${npmCommand('logs', '-n', '30')}` : '';
    throw new UsageError(`no app "${requestedName}"; there is: ${apps.join(', ')}${hint}`);
  }
  return [...new Set(matchingNames), ...(isMonitor ? [monitorApp] : [])];
};

interface Source extends LogOrigin {
  readonly file: LogFile;
}

/**
 * Opens the proxies' access logs, and for each app the output files that PM2 names, or else PM2's usual ones. It warns on
 * stderr about an app without a log.
 */
const openSources = async (
  { pm2Home, project }: Settings,
  apps: readonly string[],
  maxLines: number,
): Promise<readonly Source[]> => {
  const pm2 = createPm2(pm2Home);
  const view = await pm2.list();
  pm2.close();
  if (!view.ok) warn(`${view.problem}, and nothing is written to the logs meanwhile`);
  const stateDir = locateStateDir(project.stateDir);
  const sources: Source[] = [];
  for (const app of apps) {
    // An app whose out and err are one file has one entry, which counts as its output.
    const { out, err } = (view.ok && view.apps.get(app)?.logs) || defaultLogPaths(pm2Home, app);
    for (const [path, isError] of new Map([
      [err, true],
      [out, false],
    ] as const)) {
      const file = openOrWarn(path, maxLines);
      if (file) sources.push({ app, isError, isConnection: false, file });
      if (file?.writtenAt === null && !isError) warn(`${app} has no log: there is no file ${path}`);
    }
    const accessLog =
      app === project.monitorApp ? undefined : openOrWarn(stateDir.accessLogFile(app), maxLines);
    if (accessLog) sources.push({ app, isError: false, isConnection: true, file: accessLog });
  }
  return sources;
};

const openOrWarn = (path: string, maxLines: number): LogFile | undefined => {
  try {
    return openLogFile(path, maxLines);
  } catch (error) {
    warn(`a log cannot be read: ${(error as Error).message}`);
    return undefined;
  }
};

const COLOURS = [colours.cyan, colours.magenta, colours.yellow, colours.blue, colours.green];

const paint: LogPaint = {
  app: (text, index) => (COLOURS[index % COLOURS.length] ?? String)(text),
  bad: colours.red,
};
