import { existsSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { createEdgeLogger } from '../logging/edge-logger.ts';
import type { Log } from '../logging/logger.ts';
import { listRotated, pruneRotated, rotateIfLarge } from '../logging/rotate.ts';
import type { Pm2, Pm2View } from '../pm2/client.ts';
import { listFiles } from '../system/files.ts';
import type { StateDir } from '../system/state-dir.ts';

/** The interval of the checks. A log may exceed its limit by the lines of this time. */
const CHECK_INTERVAL_MS = 5_000;

export interface LogRotation {
  /** Checks the logs once. It never rejects, and runs every CHECK_INTERVAL_MS. */
  check(): Promise<void>;
  stop(): void;
}

interface LogRotationDeps {
  readonly config: Pick<Config, 'logs'>;
  /** The PM2 apps whose logs these are. */
  readonly appNames: readonly string[];
  readonly stateDir: Pick<StateDir, 'logsFolder'>;
  readonly pm2: Pick<Pm2, 'reloadLogs'>;
  listPm2(): Promise<Pm2View>;
  readonly log: Log;
}

/**
 * Limits the size of the logs where no logrotate does: the logs of the connections, and what PM2 writes of our own apps. The
 * limit is higher than that of logrotate/steadyport, which therefore comes first where it runs. `maxBytes` 0: no rotation.
 */
export const createLogRotation = ({
  config,
  appNames,
  stateDir,
  pm2,
  listPm2,
  log,
}: LogRotationDeps): LogRotation => {
  const { maxBytes, maxFiles } = config.logs;
  let isReloadDue = false;
  const edge = createEdgeLogger({
    onFail: (problem) => log('log_rotation_failed', `Cannot rotate the logs: ${problem}`),
    repeatOnChange: true,
  });
  let tidiedPaths = new Set<string>();

  /** True also before the first check: an earlier monitor may have been killed while it rotated. */
  const isUntidied = (path: string): boolean => !tidiedPaths.has(path);

  const tidyPath = async (path: string): Promise<void> => {
    await pruneRotated(path, maxFiles);
    tidiedPaths.add(path);
  };

  const rotateOwn = async (): Promise<void> => {
    for (const name of listFiles(stateDir.logsFolder)) {
      const path = `${stateDir.logsFolder}/${name}`;
      if (name.endsWith('.log') && (rotateIfLarge(path, maxBytes, new Date()) || isUntidied(path)))
        await tidyPath(path);
    }
  };

  /**
   * Rotates PM2's logs, only while its daemon answers: it must reopen them before anything is compressed, which takes a
   * while.
   */
  const rotatePm2 = async (): Promise<void> => {
    const view = await listPm2();
    if (!view.ok) return;
    const paths = new Set(appNames.flatMap((app) => Object.values(view.apps.get(app)?.logs ?? {})));
    const duePaths = [...paths].filter((path) => {
      const isRotated = rotateIfLarge(path, maxBytes, new Date());
      if (isRotated || (isUntidied(path) && isNotReopened(path))) isReloadDue = true;
      return isRotated || isUntidied(path);
    });
    if (isReloadDue) await pm2.reloadLogs();
    isReloadDue = false;
    for (const path of duePaths) await tidyPath(path);
  };

  const check = async (): Promise<void> => {
    try {
      await rotateOwn();
      await rotatePm2();
      edge.succeeded();
    } catch (error) {
      edge.failed((error as Error).message);
      tidiedPaths = new Set();
    }
  };

  let timer: NodeJS.Timeout | undefined;
  let isStopped = maxBytes === 0;
  const scheduleNext = (): void => {
    if (!isStopped) timer = setTimeout(() => void check().then(scheduleNext), CHECK_INTERVAL_MS);
    timer?.unref();
  };
  scheduleNext();
  return {
    check,
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
    },
  };
};

/** True when the log was renamed, and its writer has not opened the name again. */
const isNotReopened = (path: string): boolean => !existsSync(path) && listRotated(path).length > 0;
