import { MONITOR_APP } from '../config/app-names.ts';
import type { Log } from '../logging/logger.ts';
import { PENDING, type Pm2, type Pm2View } from './client.ts';

/** One list for all proxies, however many ask. */
export interface ProcessList {
  /** Why it could not be had, null when it could. */
  problem(): string | null;
  /**
   * The list, asked for at most `maxAgeMs` ago, or what is known of it when PM2 takes its time.
   * @param earliestAt (performance.now()) what was asked for before then is of another time. Default: nothing is
   */
  get(maxAgeMs: number, earliestAt?: number): Promise<Pm2View>;
}

/** How long a look waits for PM2's list; a daemon that hangs must not keep it from the rest of the evidence. */
const MAX_WAIT_MS = 300;
/** What is this old is no evidence of anything. */
const STALE_AFTER_MS = 5_000;

/** @param onSuperseded PM2 runs another monitor than this one */
export const createProcessList = (
  pm2: Pick<Pm2, 'list'>,
  log: Log,
  onSuperseded: () => void,
): ProcessList => {
  let pending: { readonly askedAt: number; readonly view: Promise<Pm2View> } | undefined;
  let latest: { readonly askedAt: number; readonly view: Pm2View } | undefined;
  let problem: string | null = null;

  const isLatestSince = (since: number): boolean => latest !== undefined && latest.askedAt >= since;

  const fetchList = async (askedAt: number): Promise<Pm2View> => {
    const view = await pm2.list();
    [latest, pending] = [{ askedAt, view }, undefined];
    const newProblem = view.ok ? null : view.problem;
    if (newProblem !== problem)
      log(
        newProblem === null ? 'pm2_recovered' : 'pm2_unreachable',
        newProblem === null ? 'PM2 answers again' : `⚠️  PM2: ${newProblem}; the proxies go on without it`,
      );
    problem = newProblem;
    if (isSuperseded(view)) onSuperseded();
    return view;
  };

  const listSince = async (since: number): Promise<Pm2View> => {
    // What is underway may have been answered before what makes a new one necessary.
    while (pending && pending.askedAt < since) await pending.view;
    if (latest && isLatestSince(since)) return latest.view;
    const askedAt = performance.now();
    pending ??= { askedAt, view: fetchList(askedAt) };
    return pending.view;
  };

  const currentView = (earliestAt: number): Pm2View =>
    latest && isLatestSince(Math.max(earliestAt, performance.now() - STALE_AFTER_MS))
      ? latest.view
      : { ok: false, problem: PENDING };

  return {
    problem: () => problem,
    get: async (maxAgeMs, earliestAt = Number.NEGATIVE_INFINITY) => {
      const since = Math.max(earliestAt, performance.now() - maxAgeMs);
      if (latest && isLatestSince(since)) return latest.view;
      const timeout = new Promise<Pm2View>((resolve) =>
        setTimeout(() => resolve(currentView(earliestAt)), MAX_WAIT_MS).unref(),
      );
      return Promise.race([listSince(since), timeout]);
    },
  };
};

const isSuperseded = (view: Pm2View): boolean => {
  const listedMonitor = view.ok ? view.apps.get(MONITOR_APP) : undefined;
  const isRunning = listedMonitor?.status === 'online' || listedMonitor?.status === 'launching';
  return isRunning && listedMonitor.pid !== null && listedMonitor.pid !== process.pid;
};
