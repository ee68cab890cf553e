import { existsSync } from 'node:fs';
import { MONITOR } from '../config/app-names.ts';
import type { Config } from '../config/config.ts';
import type { Log } from '../logging/logger.ts';
import { rotatedOf, rotateLarge, tidy } from '../logging/rotate.ts';
import type { Pm2, Pm2View } from '../pm2/client.ts';
import { filesIn } from '../system/files.ts';
import type { Home } from '../system/state-dir.ts';

/** What a log may grow by past its limit is what is written in so long. */
const LOOK_MS = 5_000;

export interface LogRotation {
  /** One look, as there is one every 5 s. */
  look(): Promise<void>;
  stop(): void;
}

interface Dependencies {
  readonly config: Pick<Config, 'proxies' | 'logs'>;
  readonly home: Pick<Home, 'logs'>;
  readonly pm2: Pick<Pm2, 'reloadLogs'>;
  listPm2(): Promise<Pm2View>;
  readonly log: Log;
}

/**
 * Bounds the logs where no logrotate does: those of the connections, and what PM2 writes of our own apps. The limit lies
 * above that of logrotate/steadyport, which therefore comes first where it runs.
 */
export const rotateLogs = ({ config, home, pm2, listPm2, log }: Dependencies): LogRotation => {
  const { maxBytes, maxFiles } = config.logs;
  const apps = [...config.proxies.map(({ name }) => name), MONITOR];
  let isReloadDue = false;
  let problem = '';
  let tidied = new Set<string>();

  /** At first too: what an earlier monitor was killed in. */
  const isFirst = (path: string): boolean => !tidied.has(path);

  const finish = async (path: string): Promise<void> => {
    await tidy(path, maxFiles);
    tidied.add(path);
  };

  const rotateOwn = async (): Promise<void> => {
    for (const name of filesIn(home.logs)) {
      const path = `${home.logs}/${name}`;
      if (name.endsWith('.log') && (rotateLarge(path, maxBytes, new Date()) || isFirst(path)))
        await finish(path);
    }
  };

  /** Only while its daemon answers: it has to be told, and before anything is compressed, which takes its time. */
  const rotatePm2 = async (): Promise<void> => {
    const view = await listPm2();
    if (!view.ok) return;
    const paths = new Set(apps.flatMap((app) => Object.values(view.apps.get(app)?.logs ?? {})));
    const due = [...paths].filter((path) => {
      const isRotated = rotateLarge(path, maxBytes, new Date());
      if (isRotated || (isFirst(path) && isUnopened(path))) isReloadDue = true;
      return isRotated || isFirst(path);
    });
    if (isReloadDue) await pm2.reloadLogs();
    isReloadDue = false;
    for (const path of due) await finish(path);
  };

  const look = async (): Promise<void> => {
    try {
      await rotateOwn();
      await rotatePm2();
      problem = '';
    } catch (error) {
      const { message } = error as Error;
      if (message !== problem) log('log_rotation_failed', `Cannot rotate the logs: ${message}`);
      problem = message;
      tidied = new Set();
    }
  };

  let timer: NodeJS.Timeout | undefined;
  let isStopped = maxBytes === 0;
  const lookAgain = (): void => {
    if (!isStopped) timer = setTimeout(() => void look().then(lookAgain), LOOK_MS);
    timer?.unref();
  };
  lookAgain();
  return {
    look,
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
    },
  };
};

/** It was renamed, and whoever writes it has not opened the name anew. */
const isUnopened = (path: string): boolean => !existsSync(path) && rotatedOf(path).length > 0;
