import { setTimeout as sleep } from 'node:timers/promises';
import type { Incident } from '../health/state.ts';
import type { Pm2News } from '../pm2/event-bus.ts';

/** What is made of PM2's news of one app: a look, and how its process ended. No verdict comes of them. */
export interface Hints {
  take(news: Pm2News): void;
  /** What PM2's list said before then (performance.now()) is of another time. */
  settledAt(): number;
  /** Waits until then. */
  settled(): Promise<void>;
  /** How the process ended whose end the incident is about, in words; null when that is not known. */
  ending(incident: Incident | null): string | null;
}

/** What PM2 stops, it shows for some 10 ms as one that it gave up (docs/decisions.md: PM2's bus). */
const SETTLE_MS = 100;
/** PM2 may tell of an end somewhat before its incident begins. */
const SLACK_MS = 2_000;

/**
 * @param isExpected a look is due within `fastIntervalMs` as it is: one more would see the same end, and count it twice
 * @param lookIn brings the next look forward
 */
export const createHints = (isExpected: () => boolean, lookIn: (ms: number) => void): Hints => {
  let settledAt = Number.NEGATIVE_INFINITY;
  let lookAt = Number.NEGATIVE_INFINITY;
  let latest: { readonly how: string; readonly atMs: number } | undefined;
  return {
    take: ({ event, ending: how }) => {
      const now = performance.now();
      const isEnd = event === 'exit';
      settledAt = Math.max(settledAt, isEnd ? now + SETTLE_MS : now);
      if (how !== null) latest = { how, atMs: Date.now() };
      // However many there are: the look is not put off again and again.
      if (now < lookAt || (isEnd && isExpected())) return;
      lookAt = now + SETTLE_MS;
      lookIn(SETTLE_MS);
    },
    settledAt: () => settledAt,
    settled: async () => {
      const leftMs = settledAt - performance.now();
      if (leftMs > 0) await sleep(leftMs);
    },
    ending: (incident) => (latest && incident && latest.atMs >= incident.atMs - SLACK_MS ? latest.how : null),
  };
};
