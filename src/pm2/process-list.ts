import { createEdgeLogger } from '../logging/edge-logger.ts';
import type { Log } from '../logging/logger.ts';
import { PENDING, type Pm2, type Pm2App, type Pm2View } from './client.ts';

/** PM2's list, shared by all proxies: callers at the same time share one request. */
export interface ProcessList {
  /** Why the last request failed; null when it succeeded, and before the first one. */
  problem(): string | null;
  /**
   * The list, requested at most `maxAgeMs` ago. When PM2 does not answer within MAX_WAIT_MS, the latest list serves, if it is
   * younger than STALE_AFTER_MS; otherwise the view has the problem {@link PENDING}.
   * @param earliestAt (performance.now()) a list requested before this instant is out of date. Default: no such instant
   */
  get(maxAgeMs: number, earliestAt?: number): Promise<Pm2View>;
}

/** The time that a check waits for PM2's list: a daemon that hangs must not delay the rest of the evidence. */
const MAX_WAIT_MS = 300;
/** A list older than this is no evidence of the present. */
const STALE_AFTER_MS = 5_000;

/**
 * @param monitorApp the monitor's PM2 app
 * @param onSuperseded called when PM2 runs other processes as the monitor, and not this one
 * @param onView called with each answer of PM2, and with each problem. Default: nobody is told
 */
export const createProcessList = (
  pm2: Pick<Pm2, 'list'>,
  log: Log,
  monitorApp: string,
  onSuperseded: () => void,
  onView: (view: Pm2View) => void = () => {},
): ProcessList => {
  let pending: { readonly askedAt: number; readonly view: Promise<Pm2View> } | undefined;
  let latest: { readonly askedAt: number; readonly view: Pm2View } | undefined;
  const availability = createEdgeLogger({
    onFail: (problem) => log('pm2_unreachable', `⚠️  PM2: ${problem}; the proxies go on without it`),
    onRecover: () => log('pm2_recovered', 'PM2 answers again'),
    repeatOnChange: true,
  });

  const isLatestSince = (since: number): boolean => latest !== undefined && latest.askedAt >= since;

  const fetchList = async (askedAt: number): Promise<Pm2View> => {
    const view = await pm2.list();
    latest = { askedAt, view };
    pending = undefined;
    if (view.ok) availability.succeeded();
    else availability.failed(view.problem);
    if (isSuperseded(view, monitorApp)) onSuperseded();
    onView(view);
    return view;
  };

  const listSince = async (since: number): Promise<Pm2View> => {
    // PM2 may have answered a pending request before the event that `since` stands for.
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
    problem: availability.problem,
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

/** Of two monitors that PM2 runs, as after `pm2 scale`, the one without the control socket waits, and neither is superseded. */
const hasProcess = ({ pid, copies = [] }: Pm2App, wanted: number): boolean =>
  pid === wanted || copies.some((copy) => copy.pid === wanted);

const isSuperseded = (view: Pm2View, monitorApp: string): boolean => {
  const listedMonitor = view.ok ? view.apps.get(monitorApp) : undefined;
  const isRunning = listedMonitor?.status === 'online' || listedMonitor?.status === 'launching';
  return isRunning && listedMonitor.pid !== null && !hasProcess(listedMonitor, process.pid);
};
