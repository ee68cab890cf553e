import { foldedNotice } from './messages.ts';
import type { Delivery, Message } from './notification.ts';

/** What waits for one channel, oldest first; the first is the one that is tried. */
export interface Queue {
  readonly items: readonly Queued[];
  /** Failed tries of the first. */
  readonly tries: number;
  /** It is not tried before then. */
  readonly nextAtMs: number;
  /** What the last try said; null after one that went well. */
  readonly problem: string | null;
}

export interface Queued {
  readonly message: Message;
  /** How many messages it stands for, when it stands for more than itself. */
  readonly folded: { readonly count: number; readonly fromMs: number; readonly toMs: number } | null;
}

/** By the channel's name. */
export type Outbox = Readonly<Record<string, Queue>>;

export type Outcome = 'sent' | 'failed' | 'dropped';

export const EMPTY: Queue = { items: [], tries: 0, nextAtMs: 0, problem: null };

/** When so many wait, the oldest of them become one. */
export const MOST_WAITING = 100;
/** After a failure it is tried again after 1 s, 2 s, 4 s … at most 5 min; later when the receiver asks for that. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 300_000;
const LONGEST_RETRY_AFTER_MS = 3_600_000;
/** A part of the pause is left to chance, so that not all who wait come at once. */
const JITTER = 0.25;

/** The messages go to the end of each channel's queue. Without any, it is the very same object. */
export const post = (outbox: Outbox, channels: readonly string[], messages: readonly Message[]): Outbox => {
  if (messages.length === 0) return outbox;
  const fresh = messages.map((message) => ({ message, folded: null }));
  const entries = channels.map((name) => {
    const queue = outbox[name] ?? EMPTY;
    return [name, { ...queue, items: shorten([...queue.items, ...fresh]) }];
  });
  return { ...outbox, ...Object.fromEntries(entries) };
};

/** Those that are no longer in the config lose what waits for them. */
export const withoutOthers = (
  outbox: Outbox,
  channels: readonly string[],
): {
  readonly outbox: Outbox;
  readonly lost: readonly { readonly name: string; readonly count: number }[];
} => {
  const entries = Object.entries(outbox);
  const others = entries.filter(([name]) => !channels.includes(name));
  if (others.length === 0) return { outbox, lost: [] };
  return {
    outbox: Object.fromEntries(entries.filter(([name]) => channels.includes(name))),
    lost: others
      .map(([name, queue]) => ({ name, count: countWaiting(queue) }))
      .filter(({ count }) => count > 0),
  };
};

/** Messages that wait, those that were folded counted as they came. */
export const countWaiting = ({ items }: Queue): number =>
  items.reduce((sum, { folded }) => sum + (folded?.count ?? 1), 0);

/** What is to be tried now; undefined when nothing is. */
export const nextIn = ({ items, nextAtMs }: Queue, atMs: number): Message | undefined =>
  isDue(nextAtMs, atMs) ? items[0]?.message : undefined;

/** A time that is further ahead than any pause is of a time before the clock was set back. */
export const isDue = (nextAtMs: number, atMs: number): boolean =>
  nextAtMs <= atMs || nextAtMs - atMs > LONGEST_RETRY_AFTER_MS;

/**
 * What becomes of the queue when its first message was tried.
 * @param chance 0 to 1: what of the pause is left to it
 */
export const settle = (
  queue: Queue,
  delivery: Delivery,
  atMs: number,
  chance: number,
): { readonly queue: Queue; readonly outcome: Outcome } => {
  const items = queue.items.slice(1);
  if (delivery.ok) return { queue: { ...EMPTY, items }, outcome: 'sent' };
  const { problem, retryAfterMs, isFinal } = delivery;
  if (isFinal) return { queue: { ...EMPTY, items, problem }, outcome: 'dropped' };
  const tries = queue.tries + 1;
  const nextAtMs = atMs + pauseMs(tries, retryAfterMs, chance);
  return { queue: { ...queue, tries, nextAtMs, problem }, outcome: 'failed' };
};

/** @param tries that failed, at least 1 */
export const pauseMs = (tries: number, retryAfterMs: number | null, chance: number): number => {
  const longMs = Math.min(FIRST_PAUSE_MS * 2 ** (tries - 1), LONGEST_PAUSE_MS);
  const ownMs = Math.round(longMs * (1 - JITTER * chance));
  return Math.max(ownMs, Math.min(retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS));
};

/** The first may be on its way: it stays as it is. */
const shorten = (items: readonly Queued[]): readonly Queued[] => {
  const [first, ...others] = items;
  const excess = items.length - MOST_WAITING;
  if (!first || excess <= 0) return items;
  return [first, fold(others.slice(0, excess + 1)), ...others.slice(excess + 1)];
};

const fold = (items: readonly Queued[]): Queued => {
  const counts = items.map(
    ({ message: { atMs }, folded }) => folded ?? { count: 1, fromMs: atMs, toMs: atMs },
  );
  const folded = {
    count: counts.reduce((sum, { count }) => sum + count, 0),
    fromMs: Math.min(...counts.map(({ fromMs }) => fromMs)),
    toMs: Math.max(...counts.map(({ toMs }) => toMs)),
  };
  const what = `${folded.count} messages waited too long to be kept: this channel did not take them`;
  const id = items[0]?.message.id.replace(/-folded$/, '') ?? '';
  const message = {
    id: `${id}-folded`,
    atMs: folded.toMs,
    notices: [foldedNotice(what, folded.fromMs, folded.toMs)],
  };
  return { message, folded };
};
