import type { Secret } from '../config/secrets.ts';
import { formatDuration } from '../lib/duration.ts';
import { request } from './http-client.ts';
import type { Delivery } from './policy/notification.ts';

/** Between two pings while all is well. */
const INTERVAL_MS = 60_000;
/** Until one that failed is tried again, and at least between any two. */
const RETRY_MS = 15_000;

/** Somebody elsewhere who calls when the pings stay away (a dead man's switch). */
export interface DeadMansSwitch {
  /** To be called again and again, each second or so; it never rejects. */
  tick(now: number, isWell: boolean): Promise<void>;
  /** Ends a ping under way, and there is none any more. */
  stop(): void;
}

/**
 * Pings every 60 s while all is well, and at once when it becomes well; otherwise not at all. It is GET, which every such
 * service takes (https://healthchecks.io/docs/http_api/; Uptime Kuma 1 answers 404 to a POST). A ping that fails is told
 * once, and the first that works again.
 * @param ping one try; never rejects
 */
export const createDeadMansSwitch = (
  ping: (signal: AbortSignal) => Promise<Delivery>,
  log: (event: string, text: string) => void,
): DeadMansSwitch => {
  const abortController = new AbortController();
  let isPinging = false;
  let wasWell = false;
  let lastPingAt = Number.NEGATIVE_INFINITY;
  let waitMs = 0;
  let failingSince: number | null = null;
  return {
    tick: async (now, isWell) => {
      const becameWell = isWell && !wasWell;
      wasWell = isWell;
      if (becameWell && failingSince === null) waitMs = Math.min(waitMs, RETRY_MS);
      // A clock that was set back makes none wait for longer.
      if (!isWell || isPinging || abortController.signal.aborted || Math.abs(now - lastPingAt) < waitMs)
        return;
      isPinging = true;
      lastPingAt = now;
      const delivery = await ping(abortController.signal);
      isPinging = false;
      if (abortController.signal.aborted) return;
      waitMs = delivery.ok ? INTERVAL_MS : Math.max(RETRY_MS, delivery.retryAfterMs ?? 0);
      if (delivery.ok && failingSince !== null) {
        log(
          'heartbeat_recovered',
          `The heartbeat is sent again, after ${formatDuration(now - failingSince)}`,
        );
        failingSince = null;
      } else if (!delivery.ok && failingSince === null) {
        log('heartbeat_failed', `The heartbeat cannot be sent: ${delivery.problem}; trying again`);
        failingSince = now;
      }
    },
    stop: () => abortController.abort(),
  };
};

/** For {@link createDeadMansSwitch}. */
export const createPing =
  (heartbeat: Secret) =>
  (signal: AbortSignal): Promise<Delivery> =>
    request(heartbeat, { method: 'GET' }, signal);
