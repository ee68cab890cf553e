import { setTimeout as sleep } from 'node:timers/promises';
import type { Incident } from '../health/state.ts';
import type { Pm2Event } from '../pm2/event-bus.ts';

/**
 * Uses PM2's events of one app to bring its next check forward, and to explain how its process ended. Events give no
 * verdict.
 */
export interface EventDebouncer {
  /**
   * Records an event.
   * @param isCheckDue whether a check is due within `fastIntervalMs` anyway: a further one would find the same end, and count it twice
   * @returns the milliseconds until the next check; null: its time stays as it was
   */
  onEvent(event: Pm2Event, isCheckDue: boolean): number | null;
  /**
   * Records that the process has ended, which PM2 may not have noticed yet.
   * @returns the milliseconds until PM2's list shows whether it crashed or was stopped
   */
  onEnd(): number;
  /** The instant (performance.now()) before which PM2's list is out of date. */
  stableAt(): number;
  /** Settles at that instant. */
  whenStable(): Promise<void>;
  /** Describes the end of the process that the incident is about, in words; null when it is not known. */
  ending(incident: Incident | null): string | null;
}

/** PM2 shows an app that it stops for some 10 ms as one that it gave up (docs/decisions.md: ADR-0022). */
const STABLE_AFTER_MS = 100;
/** PM2 may report an end a little before its incident begins. */
const SLACK_MS = 2_000;

export const createEventDebouncer = (): EventDebouncer => {
  let stableAt = Number.NEGATIVE_INFINITY;
  let nextCheckAt = Number.NEGATIVE_INFINITY;
  let latest: { readonly ending: string; readonly endedAt: number } | undefined;
  return {
    onEvent: ({ event, ending }, isCheckDue) => {
      const now = performance.now();
      const isExit = event === 'exit';
      stableAt = Math.max(stableAt, isExit ? now + STABLE_AFTER_MS : now);
      if (ending !== null) latest = { ending, endedAt: Date.now() };
      // The check is postponed once, not again by each further event.
      if (now < nextCheckAt || (isExit && isCheckDue)) return null;
      nextCheckAt = now + STABLE_AFTER_MS;
      return STABLE_AFTER_MS;
    },
    onEnd: () => {
      stableAt = performance.now() + STABLE_AFTER_MS;
      nextCheckAt = stableAt;
      return STABLE_AFTER_MS;
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
