import { isDue, pauseMs } from './delivery-queue.ts';
import type { ActiveAlert, Delivery } from './notification.ts';

/** What goes on is told again so often: Alertmanager takes it for over after 5 minutes without a word. */
const REPEAT_MS = 60_000;

/** Where a level channel stands. */
export interface Standing {
  /** The list that it took last. */
  readonly took: string;
  readonly tries: number;
  readonly nextAtMs: number;
  readonly problem: string | null;
}

export const NOTHING_TOLD: Standing = { took: '[]', tries: 0, nextAtMs: 0, problem: null };

/** Whether it is to be told now: at each change, and while something goes on every {@link REPEAT_MS}. */
export const isToTell = (
  { took, tries, nextAtMs }: Standing,
  alerts: readonly ActiveAlert[],
  atMs: number,
): boolean =>
  alerts.length > 0 && (isDue(nextAtMs, atMs) || (tries === 0 && JSON.stringify(alerts) !== took));

/** After one try. A list that will never be taken as it is may be another one soon. */
export const toldLevel = (
  before: Standing,
  alerts: readonly ActiveAlert[],
  delivery: Delivery,
  atMs: number,
  chance: number,
): Standing => {
  const took = JSON.stringify(alerts);
  if (delivery.ok) return { took, tries: 0, nextAtMs: atMs + REPEAT_MS, problem: null };
  const { problem, retryAfterMs, isFinal } = delivery;
  if (isFinal) return { took, tries: 0, nextAtMs: atMs + REPEAT_MS, problem };
  const tries = before.tries + 1;
  return { ...before, tries, nextAtMs: atMs + pauseMs(tries, retryAfterMs, chance), problem };
};
