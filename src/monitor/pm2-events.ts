import { setTimeout as sleep } from 'node:timers/promises';
import type { Incident } from '../health/state.ts';
import type { Pm2Event } from '../pm2/event-bus.ts';

/** What is made of PM2's news of one app: a look, and how its process ended. No verdict comes of them. */
export interface EventDebouncer {
  onEvent(event: Pm2Event): void;
  /** What PM2's list said before then (performance.now()) is of another time. */
  stableAt(): number;
  /** Waits until then. */
  whenStable(): Promise<void>;
  /** How the process ended whose end the incident is about, in words; null when that is not known. */
  ending(incident: Incident | null): string | null;
}

/** What PM2 stops, it shows for some 10 ms as one that it gave up (docs/decisions.md: PM2's bus). */
const STABLE_AFTER_MS = 100;
/** PM2 may tell of an end somewhat before its incident begins. */
const SLACK_MS = 2_000;

/**
 * @param isCheckDue a look is due within `fastIntervalMs` as it is: one more would see the same end, and count it twice
 * @param checkIn brings the next look forward
 */
export const createEventDebouncer = (
  isCheckDue: () => boolean,
  checkIn: (ms: number) => void,
): EventDebouncer => {
  let stableAt = Number.NEGATIVE_INFINITY;
  let nextCheckAt = Number.NEGATIVE_INFINITY;
  let latest: { readonly ending: string; readonly endedAt: number } | undefined;
  return {
    onEvent: ({ event, ending }) => {
      const now = performance.now();
      const isExit = event === 'exit';
      stableAt = Math.max(stableAt, isExit ? now + STABLE_AFTER_MS : now);
      if (ending !== null) latest = { ending, endedAt: Date.now() };
      // However many there are: the look is not put off again and again.
      if (now < nextCheckAt || (isExit && isCheckDue())) return;
      nextCheckAt = now + STABLE_AFTER_MS;
      checkIn(STABLE_AFTER_MS);
    },
    stableAt: () => stableAt,
    whenStable: async () => {
      const remainingMs = stableAt - performance.now();
      if (remainingMs > 0) await sleep(remainingMs);
    },
    ending: (incident) =>
      latest && incident && latest.endedAt >= incident.startedAt - SLACK_MS ? latest.ending : null,
  };
};
