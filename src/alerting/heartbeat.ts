import type { Secret } from '../config/secrets.ts';
import { formatSeconds } from '../lib/duration.ts';
import { request } from './http-client.ts';
import type { Delivery } from './policy/notification.ts';

/** Between two pings while all is well. */
const PERIOD_MS = 60_000;
/** Until one that failed is tried again, and at least between any two. */
const RETRY_MS = 15_000;

/** Somebody elsewhere who calls when the pings stay away (a dead man's switch). */
export interface DeadMan {
  /** To be called again and again, each second or so; it never rejects. */
  look(atMs: number, isWell: boolean): Promise<void>;
  /** Ends a ping under way, and there is none any more. */
  stop(): void;
}

/**
 * Pings every 60 s while all is well, and at once when it becomes well; otherwise not at all. It is GET, which every such
 * service takes (https://healthchecks.io/docs/http_api/; Uptime Kuma 1 answers 404 to a POST). A ping that fails is told
 * once, and the first that works again.
 * @param ping one try; never rejects
 */
export const createDeadMan = (
  ping: (signal: AbortSignal) => Promise<Delivery>,
  log: (event: string, text: string) => void,
): DeadMan => {
  const leaving = new AbortController();
  let isPinging = false;
  let wasWell = false;
  let lastMs = Number.NEGATIVE_INFINITY;
  let waitMs = 0;
  let failingSinceMs: number | null = null;
  return {
    look: async (atMs, isWell) => {
      const becameWell = isWell && !wasWell;
      wasWell = isWell;
      if (becameWell && failingSinceMs === null) waitMs = Math.min(waitMs, RETRY_MS);
      // A clock that was set back makes none wait for longer.
      if (!isWell || isPinging || leaving.signal.aborted || Math.abs(atMs - lastMs) < waitMs) return;
      isPinging = true;
      lastMs = atMs;
      const delivery = await ping(leaving.signal);
      isPinging = false;
      if (leaving.signal.aborted) return;
      waitMs = delivery.ok ? PERIOD_MS : Math.max(RETRY_MS, delivery.retryAfterMs ?? 0);
      if (delivery.ok && failingSinceMs !== null) {
        log(
          'heartbeat_recovered',
          `The heartbeat is sent again, after ${formatSeconds(atMs - failingSinceMs)}`,
        );
        failingSinceMs = null;
      } else if (!delivery.ok && failingSinceMs === null) {
        log('heartbeat_failed', `The heartbeat cannot be sent: ${delivery.problem}; trying again`);
        failingSinceMs = atMs;
      }
    },
    stop: () => leaving.abort(),
  };
};

/** For {@link createDeadMan}. */
export const pingTo =
  (heartbeat: Secret) =>
  (signal: AbortSignal): Promise<Delivery> =>
    request(heartbeat, { method: 'GET' }, signal);
