import { accessSync, constants } from 'node:fs';
import { delimiter, dirname, resolve } from 'node:path';
import type { Evidence, Pm2Evidence } from '../../health/types.ts';
import type { Pm2App } from '../../pm2/client.ts';
import { type LaunchSettings, readStartError } from '../../pm2/launch.ts';

/** Why PM2 cannot start an app. */
export interface StartCheckResult {
  readonly startFiles: Evidence['startFiles'];
  /** What is missing, or else the error of PM2's latest attempt; null when nothing is known. */
  readonly problem: string | null;
  /** What to do about it, and what the monitor does; null when nothing is known that would help. */
  readonly advice: string | null;
}

export type StartCheck = (
  status: Pm2Evidence,
  app: Pm2App | undefined,
  evidence: Pick<Evidence, 'process' | 'heartbeat'>,
) => StartCheckResult;

/**
 * Looks at what PM2 needs to start the app. Nothing is read for an app whose process runs, and the daemon's log at most MAX_READS
 * times for each failed start.
 */
export const createStartCheck = (name: string): StartCheck => {
  let known:
    | { readonly attemptedAt: number; readonly error: string | null; readonly reads: number }
    | undefined;

  const errorOf = (launch: LaunchSettings): string | null => {
    const { attemptedAt } = launch;
    if (known?.attemptedAt !== attemptedAt) known = { attemptedAt, error: null, reads: 0 };
    if (known.error === null && known.reads < MAX_READS)
      known = { attemptedAt, error: readStartError(launch, name, attemptedAt), reads: known.reads + 1 };
    return known.error;
  };

  return (status, app, evidence) => {
    if (status !== 'start_failed') known = undefined;
    const needs = needsOf(status, app, evidence);
    if (!app?.launch || needs === 'nothing') return NOT_LOOKED;
    const obstacle = findObstacle(app.launch, app.logs?.out, needs);
    if (obstacle === 'unknown') return NOT_LOOKED;
    if (obstacle !== null)
      return {
        startFiles: 'missing',
        problem: obstacle.problem,
        advice: `${obstacle.advice}. The monitor starts it as soon as that is mended`,
      };
    const error = status === 'start_failed' ? errorOf(app.launch) : null;
    return { startFiles: 'ok', ...describeError(error) };
  };
};

const NOT_LOOKED: StartCheckResult = { startFiles: 'unknown', problem: null, advice: null };

/** PM2 writes the error a moment after its list shows that there is no process. */
const MAX_READS = 3;

/** What the next process needs of the file system. One that was launched and has not answered yet only has to find its script. */
type Needs = 'everything' | 'script' | 'nothing';

const needsOf = (
  status: Pm2Evidence,
  app: Pm2App | undefined,
  { process, heartbeat }: Pick<Evidence, 'process' | 'heartbeat'>,
): Needs => {
  if (heartbeat === 'ok') return 'nothing';
  const hasEnded = process === 'gone' || process === 'zombie';
  switch (status) {
    case 'start_failed':
    case 'waiting_restart':
    case 'gave_up':
      return 'everything';
    case 'launching':
      return hasEnded ? 'everything' : 'script';
    case 'online':
      return hasEnded && app?.pid != null ? 'everything' : 'nothing';
    default:
      return 'nothing';
  }
};

interface Obstacle {
  readonly problem: string;
  readonly advice: string;
}

const { R_OK, W_OK, X_OK } = constants;

/** The first thing that is not there, or may not be used; `unknown` when one could not be looked at. */
const findObstacle = (
  { interpreter, script, folder, searchPath }: LaunchSettings,
  log: string | undefined,
  needs: Needs,
): Obstacle | 'unknown' | null => {
  const scriptObstacle = (): Obstacle | 'unknown' | null =>
    obstacleAt(`its script ${script}`, tryAccess(script, R_OK), 'read', START_FROM_HERE);
  if (needs === 'script') return scriptObstacle();
  const looks = [
    () => obstacleAt(`its folder ${folder}`, tryAccess(`${folder}/.`, X_OK), 'entered', START_FROM_HERE),
    () => findInterpreterObstacle(interpreter ?? script, folder, searchPath),
    scriptObstacle,
    () => findLogObstacle(log),
  ];
  for (const look of looks) {
    const obstacle = look();
    if (obstacle !== null) return obstacle;
  }
  return null;
};

const START_FROM_HERE = 'npm start, which runs it from where the project is now';
const START_WITH_PRESENT_NODE = 'npm start, which runs it with the Node.js that there is now';

/** A name without a slash is looked up in PATH, as execvp(3) does. */
const findInterpreterObstacle = (
  interpreter: string,
  folder: string,
  searchPath: string | null,
): Obstacle | 'unknown' | null => {
  if (interpreter.includes('/')) {
    const code = tryAccess(resolve(folder, interpreter), X_OK);
    return obstacleAt(`its interpreter ${interpreter}`, code, 'executed', START_WITH_PRESENT_NODE);
  }
  if (searchPath === null) return 'unknown';
  const codes = searchPath
    .split(delimiter)
    .map((part) => tryAccess(resolve(folder, part, interpreter), X_OK));
  if (codes.includes(null)) return null;
  if (codes.some((code) => code !== null && !isConclusive(code))) return 'unknown';
  return {
    problem: `its interpreter ${interpreter} is in no folder of its PATH`,
    advice: START_WITH_PRESENT_NODE,
  };
};

/** PM2 opens the log before it starts the process (lib/God/ForkMode.js of PM2). */
const findLogObstacle = (log: string | undefined): Obstacle | 'unknown' | null => {
  if (log === undefined) return 'unknown';
  const code = tryAccess(log, W_OK);
  if (code !== 'ENOENT') return obstacleAt(`its log ${log}`, code, 'written', 'Let its user write there');
  const folder = dirname(log);
  return obstacleAt(
    `the folder of its log, ${folder},`,
    tryAccess(folder, W_OK | X_OK),
    'written',
    `mkdir -p ${folder}`,
  );
};

const obstacleAt = (
  what: string,
  code: string | null,
  use: string,
  advice: string,
): Obstacle | 'unknown' | null => {
  if (code === null) return null;
  if (!isConclusive(code)) return 'unknown';
  const isMissing = code === 'ENOENT' || code === 'ENOTDIR';
  return isMissing
    ? { problem: `${what} does not exist`, advice }
    : { problem: `${what} may not be ${use} (${code})`, advice: `Let its user have it ${use}` };
};

/** True for an error that PM2, which is of the same user, would get too. */
const isConclusive = (code: string): boolean =>
  ['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EROFS', 'ELOOP'].includes(code);

/** @returns the system's error; null when the access is allowed */
const tryAccess = (path: string, mode: number): string | null => {
  try {
    accessSync(path, mode);
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown';
  }
};

const describeError = (error: string | null): Pick<StartCheckResult, 'problem' | 'advice'> => {
  if (error === null) return { problem: null, advice: null };
  const [, code = ''] = / (E[A-Z]+)$/.exec(error) ?? [];
  const cure = ERROR_CURES[code];
  return { problem: error, advice: cure ? `${cure}. The monitor tries again, ever more slowly` : null };
};

/** The errors of fork(2), which are of the system and not of a file. */
const ERROR_CURES: Readonly<Record<string, string>> = {
  EAGAIN: 'No further process is allowed: raise ulimit -u, or TasksMax of the service that starts PM2',
  ENOMEM: 'The system has no memory for a further process: free some',
};
