import { createEdgeLogger } from '../logging/edge-logger.ts';
import type { Log } from '../logging/logger.ts';
import type { Pm2View } from './client.ts';
import { isNoDaemon, NO_DAEMON } from './rpc.ts';

/** Whether a PM2 daemon supervises the apps of this config. */
export interface Supervision {
  /** Takes a list of PM2, or the problem that kept it from being read. */
  observe(view: Pm2View): void;
  /** Why no daemon brings back what dies, and what to do; null while one does, or while that is unknown. */
  problem(): string | null;
}

/** A daemon that is replaced, as by `pm2 update`, is away for a moment. */
const PATIENCE_MS = 5_000;

/**
 * Supervision is lost when the daemon is dead, or is a new one that knows none of the apps, as any command of PM2 launches it, for
 * longer than PATIENCE_MS. A daemon that does not answer may still do its work.
 * @param appNames the apps of the config
 * @param onChange called when it is lost, and when it is back
 */
export const createSupervision = (
  appNames: readonly string[],
  log: Log,
  onChange: () => void,
): Supervision => {
  let lostSince: number | null = null;
  const loss = createEdgeLogger({
    onFail: (problem) => {
      log('supervision_lost', `🚨 ALERT: PM2 does not supervise the ports: ${problem}`);
      onChange();
    },
    onRecover: () => {
      log('supervision_recovered', 'PM2 supervises the ports again');
      onChange();
    },
    repeatOnChange: true,
  });
  return {
    observe: (view) => {
      const problem = problemOf(view, appNames);
      if (problem === 'unknown') return;
      if (problem === null) {
        lostSince = null;
        loss.succeeded();
        return;
      }
      lostSince ??= performance.now();
      if (performance.now() - lostSince > PATIENCE_MS) loss.failed(problem);
    },
    problem: loss.problem,
  };
};

const problemOf = (view: Pm2View, appNames: readonly string[]): string | null => {
  if (view.ok)
    return appNames.some((name) => view.apps.has(name))
      ? null
      : `the PM2 daemon (pid ${view.daemonPid ?? 'unknown'}) has none of the apps${CURE}`;
  if (!isNoDaemon(view.problem)) return 'unknown';
  return view.problem === NO_DAEMON ? `${view.problem}${CURE}` : view.problem;
};

const CURE =
  ', and nothing brings back what dies: npm start; what runs goes on serving until its successor takes over';
