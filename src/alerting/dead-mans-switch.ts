import type { Secret } from '../config/secrets.ts';
import { formatDuration } from '../lib/duration.ts';
import { createEdgeLogger } from '../logging/edge-logger.ts';
import type { Delivery } from './delivery.ts';
import { request } from './http-client.ts';

/** The time between two pings while all is well. */
const PING_INTERVAL_MS = 60_000;
/** The time until a failed ping is tried again, and the shortest time between any two pings. */
const PING_RETRY_MS = 15_000;

/** Pings a service that raises an alarm when the pings stop (a dead man's switch). */
export interface DeadMansSwitch {
  /**
   * Pings when a ping is due; never rejects. The caller calls it about once a second.
   * @param now wall-clock milliseconds
   */
  tick(now: number, isWell: boolean): Promise<void>;
  /** Aborts a ping that is under way, and prevents further ones. */
  stop(): void;
}

/**
 * Pings every {@link PING_INTERVAL_MS} while all is well, at once when it becomes well, and not at all otherwise. A ping is
 * a GET, which every such service accepts (https://healthchecks.io/docs/http_api/; Uptime Kuma 1 answers 404 to a POST).
 * The first failure is logged, and the first success after it.
 * @param ping pings once; never rejects
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
  let failingSince = 0;
  const pings = createEdgeLogger({
    onFail: (problem) => {
      failingSince = lastPingAt;
      log('heartbeat_failed', `The heartbeat cannot be sent: ${problem}; trying again`);
    },
    onRecover: () =>
      log(
        'heartbeat_recovered',
        `The heartbeat is sent again, after ${formatDuration(lastPingAt - failingSince)}`,
      ),
  });
  const isStopped = (): boolean => abortController.signal.aborted;
  // Counts the time in both directions: a clock that was set back must not prolong the pause.
  const isPausing = (now: number): boolean => Math.abs(now - lastPingAt) < waitMs;

  const pingNow = async (now: number): Promise<void> => {
    isPinging = true;
    lastPingAt = now;
    const delivery = await ping(abortController.signal);
    isPinging = false;
    if (isStopped()) return;
    waitMs = delivery.ok ? PING_INTERVAL_MS : Math.max(PING_RETRY_MS, delivery.retryAfterMs ?? 0);
    if (delivery.ok) pings.succeeded();
    else pings.failed(delivery.problem);
  };

  return {
    tick: async (now, isWell) => {
      const becameWell = isWell && !wasWell;
      wasWell = isWell;
      if (becameWell && pings.problem() === null) waitMs = Math.min(waitMs, PING_RETRY_MS);
      if (isWell && !isPinging && !isStopped() && !isPausing(now)) await pingNow(now);
    },
    stop: () => abortController.abort(),
  };
};

/** The ping for {@link createDeadMansSwitch}. */
export const createPing =
  (pingUrl: Secret) =>
  (signal: AbortSignal): Promise<Delivery> =>
    request(pingUrl, { method: 'GET' }, signal);
