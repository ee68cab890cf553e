import { join, resolve } from 'node:path';
import { printable } from '../lib/printable.ts';
import { openLogFile } from '../logging/tail.ts';
import type { AppDefinition } from './apps.ts';

/** What PM2 starts an app's process with. */
export interface LaunchSettings {
  /** A path, or a name that is looked up in `searchPath`; null: the script is run by itself. */
  readonly interpreter: string | null;
  readonly interpreterArgs: readonly string[];
  /** An absolute path. */
  readonly script: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly namespace: string;
  /** The PATH of the process's environment; null when PM2 does not name it. */
  readonly searchPath: string | null;
  /** The latest attempt, in wall-clock milliseconds. One that `spawn` itself refuses, as for want of memory, is none (lib/God.js of PM2). */
  readonly attemptedAt: number;
  /** The log of the daemon itself. */
  readonly daemonLog: string;
}

/** The part of PM2's list that has them. */
export interface ListedLaunch {
  readonly exec_interpreter?: string;
  readonly pm_exec_path?: string;
  readonly pm_cwd?: string;
  readonly node_args?: unknown;
  readonly args?: unknown;
  readonly namespace?: string;
  readonly pm_uptime?: number;
  readonly PATH?: string;
}

/** Undefined when PM2 names no script or no folder. */
export const launchSettingsOf = (listed: ListedLaunch, pm2Home: string): LaunchSettings | undefined => {
  const { exec_interpreter: interpreter, pm_exec_path: script, pm_cwd: folder } = listed;
  if (script === undefined || folder === undefined || interpreter === undefined) return undefined;
  return {
    interpreter: interpreter === 'none' ? null : interpreter,
    interpreterArgs: textsOf(listed.node_args),
    script,
    args: textsOf(listed.args),
    folder,
    namespace: listed.namespace ?? '',
    searchPath: listed.PATH ?? null,
    attemptedAt: listed.pm_uptime ?? 0,
    daemonLog: join(pm2Home, 'pm2.log'),
  };
};

/** The part of the settings that the definition of an app decides. */
export type DefinedLaunch = Omit<LaunchSettings, 'attemptedAt' | 'daemonLog'>;

/** The interpreter that PM2 takes for a script of JavaScript (resolveInterpreter in lib/Common.js of PM2). */
const DEFAULT_INTERPRETER = 'node';

/** What PM2 starts an app's process with when it has it from this definition. */
export const launchSettingsFor = (app: AppDefinition): DefinedLaunch => ({
  interpreter: textsOf(app['interpreter'])[0] ?? DEFAULT_INTERPRETER,
  interpreterArgs: textsOf(app['node_args']),
  script: resolve(app.cwd, app.script),
  args: app.args,
  folder: app.cwd,
  namespace: textsOf(app['namespace'])[0] ?? '',
  searchPath: app.env['PATH'] ?? null,
});

/** PM2 has a list, or the text of a single one (lib/Common.js of PM2). */
const textsOf = (value: unknown): readonly string[] =>
  (Array.isArray(value) ? value : [value]).filter((text) => typeof text === 'string');

/** PM2 adds a dozen lines to its log each time it lists an app that has no process. */
const MAX_LINES = 2_000;
const MAX_ERROR_LENGTH = 300;

/**
 * The error of PM2's latest attempt to start the app, from the daemon's log: "spawn /usr/bin/node EAGAIN". Null when the log does
 * not have it, or not any more.
 * @param since an attempt before this time (wall-clock milliseconds) is another one
 */
export const readStartError = (
  { daemonLog }: Pick<LaunchSettings, 'daemonLog'>,
  app: string,
  since: number,
): string | null => {
  try {
    const log = openLogFile(daemonLog, MAX_LINES);
    log.close();
    return findStartError(log.tail, app, since);
  } catch {
    return null;
  }
};

/** The log has whole seconds. */
const SECOND_MS = 1_000;

/**
 * Finds it in the lines of the log: the first error after the last line that says that the app is starting, and before any that
 * says what became of it. An error in between may be of another app that starts in the same moment.
 */
export const findStartError = (lines: readonly string[], app: string, since: number): string | null => {
  const isOfApp = (line: string): boolean => APP_LINE.exec(line)?.[1] === app;
  const start = lines.findLastIndex((line) => isOfApp(line) && line.endsWith(' starting in -fork mode-'));
  const startedAt = Date.parse(LOG_LINE.exec(lines[start] ?? '')?.[1] ?? '');
  if (!(startedAt > since - SECOND_MS)) return null;
  for (const line of lines.slice(start + 1)) {
    if (isOfApp(line)) return null;
    const [, error] = ERROR_LINE.exec(line) ?? [];
    if (error !== undefined) return printable(error, MAX_ERROR_LENGTH);
  }
  return null;
};

/** "2026-11-30T17:39:39: PM2 log: …", in local time. */
const LOG_LINE = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d): PM2 (?:log|error): /;
const APP_LINE = /^\S+: PM2 log: App \[(.+):\d+\] /;
/** An error of `spawn` has the word Trace before it where PM2 itself has caught it (logAndGenerateError in its lib/God.js). */
const ERROR_LINE = /^\S+: PM2 error: (?:Trace: )?Error: (.+)$/;
