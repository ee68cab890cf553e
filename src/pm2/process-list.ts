import { MONITOR } from '../config/app-names.ts';
import type { Log } from '../logging/logger.ts';
import { PENDING, type Pm2, type Pm2View } from './client.ts';

/** One list for all proxies, however many ask. */
export interface Pm2List {
  /** Why it could not be had, null when it could. */
  problem(): string | null;
  /**
   * The list, asked for at most `maxAgeMs` ago, or what is known of it when PM2 takes its time.
   * @param notBefore (performance.now()) what was asked for before then is of another time. Default: nothing is
   */
  get(maxAgeMs: number, notBefore?: number): Promise<Pm2View>;
}

/** How long a look waits for PM2's list; a daemon that hangs must not keep it from the rest of the evidence. */
const PATIENCE_MS = 300;
/** What is this old is no evidence of anything. */
const STALE_MS = 5_000;

/** @param onSuperseded PM2 runs another monitor than this one */
export const watchPm2 = (pm2: Pick<Pm2, 'list'>, log: Log, onSuperseded: () => void): Pm2List => {
  let underway: { readonly askedAt: number; readonly view: Promise<Pm2View> } | undefined;
  let latest: { readonly askedAt: number; readonly view: Pm2View } | undefined;
  let problem: string | null = null;

  const isSince = (sinceAt: number): boolean => latest !== undefined && latest.askedAt >= sinceAt;

  const ask = async (askedAt: number): Promise<Pm2View> => {
    const view = await pm2.list();
    [latest, underway] = [{ askedAt, view }, undefined];
    const now = view.ok ? null : view.problem;
    if (now !== problem)
      log(
        now === null ? 'pm2_recovered' : 'pm2_unreachable',
        now === null ? 'PM2 answers again' : `⚠️  PM2: ${now}; the proxies go on without it`,
      );
    problem = now;
    if (isSuperseded(view)) onSuperseded();
    return view;
  };

  const askSince = async (sinceAt: number): Promise<Pm2View> => {
    // What is underway may have been answered before what makes a new one necessary.
    while (underway && underway.askedAt < sinceAt) await underway.view;
    if (latest && isSince(sinceAt)) return latest.view;
    const askedAt = performance.now();
    underway ??= { askedAt, view: ask(askedAt) };
    return underway.view;
  };

  const makeDo = (notBefore: number): Pm2View =>
    latest && isSince(Math.max(notBefore, performance.now() - STALE_MS))
      ? latest.view
      : { ok: false, problem: PENDING };

  return {
    problem: () => problem,
    get: async (maxAgeMs, notBefore = Number.NEGATIVE_INFINITY) => {
      const sinceAt = Math.max(notBefore, performance.now() - maxAgeMs);
      if (latest && isSince(sinceAt)) return latest.view;
      const late = new Promise<Pm2View>((done) =>
        setTimeout(() => done(makeDo(notBefore)), PATIENCE_MS).unref(),
      );
      return Promise.race([askSince(sinceAt), late]);
    },
  };
};

const isSuperseded = (view: Pm2View): boolean => {
  const other = view.ok ? view.apps.get(MONITOR) : undefined;
  const isThere = other?.status === 'online' || other?.status === 'launching';
  return isThere && other.pid !== null && other.pid !== process.pid;
};
