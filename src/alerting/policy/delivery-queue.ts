import { foldedNotification } from './messages.ts';
import type { Delivery, Message } from './notification.ts';

/** What waits for one channel, oldest first; the first is the one that is tried. */
export interface Queue {
  readonly items: readonly Queued[];
  /** Failed tries of the first. */
  readonly attempts: number;
  /** It is not tried before then. */
  readonly nextAttemptAt: number;
  /** What the last try said; null after one that went well. */
  readonly problem: string | null;
}

export interface Queued {
  readonly message: Message;
  /** How many messages it stands for, when it stands for more than itself. */
  readonly folded: { readonly count: number; readonly startedAt: number; readonly endedAt: number } | null;
}

/** By the channel's name. */
export type Outbox = Readonly<Record<string, Queue>>;

export type Outcome = 'sent' | 'failed' | 'dropped';

export const EMPTY_QUEUE: Queue = { items: [], attempts: 0, nextAttemptAt: 0, problem: null };

/** When so many wait, the oldest of them become one. */
export const MAX_QUEUED = 100;
/** After a failure it is tried again after 1 s, 2 s, 4 s … at most 5 min; later when the receiver asks for that. */
const INITIAL_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 300_000;
const MAX_RETRY_AFTER_MS = 3_600_000;
/** A part of the pause is left to chance, so that not all who wait come at once. */
const JITTER = 0.25;

/** The messages go to the end of each channel's queue. Without any, it is the very same object. */
export const enqueue = (
  outbox: Outbox,
  channels: readonly string[],
  messages: readonly Message[],
): Outbox => {
  if (messages.length === 0) return outbox;
  const added = messages.map((message) => ({ message, folded: null }));
  const entries = channels.map((name) => {
    const queue = outbox[name] ?? EMPTY_QUEUE;
    return [name, { ...queue, items: limitLength([...queue.items, ...added]) }];
  });
  return { ...outbox, ...Object.fromEntries(entries) };
};

/** Those that are no longer in the config lose what waits for them. */
export const removeUnconfigured = (
  outbox: Outbox,
  channels: readonly string[],
): {
  readonly outbox: Outbox;
  readonly dropped: readonly { readonly name: string; readonly count: number }[];
} => {
  const entries = Object.entries(outbox);
  const unconfigured = entries.filter(([name]) => !channels.includes(name));
  if (unconfigured.length === 0) return { outbox, dropped: [] };
  return {
    outbox: Object.fromEntries(entries.filter(([name]) => channels.includes(name))),
    dropped: unconfigured
      .map(([name, queue]) => ({ name, count: countQueued(queue) }))
      .filter(({ count }) => count > 0),
  };
};

/** Messages that wait, those that were folded counted as they came. */
export const countQueued = ({ items }: Queue): number =>
  items.reduce((sum, { folded }) => sum + (folded?.count ?? 1), 0);

/** What is to be tried now; undefined when nothing is. */
export const nextMessage = ({ items, nextAttemptAt }: Queue, now: number): Message | undefined =>
  isDue(nextAttemptAt, now) ? items[0]?.message : undefined;

/** A time that is further ahead than any pause is of a time before the clock was set back. */
export const isDue = (dueAt: number, now: number): boolean =>
  dueAt <= now || dueAt - now > MAX_RETRY_AFTER_MS;

/**
 * What becomes of the queue when its first message was tried.
 * @param random 0 to 1: what of the pause is left to it
 */
export const afterAttempt = (
  queue: Queue,
  delivery: Delivery,
  now: number,
  random: number,
): { readonly queue: Queue; readonly outcome: Outcome } => {
  const items = queue.items.slice(1);
  if (delivery.ok) return { queue: { ...EMPTY_QUEUE, items }, outcome: 'sent' };
  const { problem, retryAfterMs, isFinal } = delivery;
  if (isFinal) return { queue: { ...EMPTY_QUEUE, items, problem }, outcome: 'dropped' };
  const attempts = queue.attempts + 1;
  const nextAttemptAt = now + backoffMs(attempts, retryAfterMs, random);
  return { queue: { ...queue, attempts, nextAttemptAt, problem }, outcome: 'failed' };
};

/** @param attempts that failed, at least 1 */
export const backoffMs = (attempts: number, retryAfterMs: number | null, random: number): number => {
  const fullMs = Math.min(INITIAL_BACKOFF_MS * 2 ** (attempts - 1), MAX_BACKOFF_MS);
  const jitteredMs = Math.round(fullMs * (1 - JITTER * random));
  return Math.max(jitteredMs, Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS));
};

/** The first may be on its way: it stays as it is. */
const limitLength = (items: readonly Queued[]): readonly Queued[] => {
  const [first, ...rest] = items;
  const excess = items.length - MAX_QUEUED;
  if (!first || excess <= 0) return items;
  return [first, fold(rest.slice(0, excess + 1)), ...rest.slice(excess + 1)];
};

const fold = (items: readonly Queued[]): Queued => {
  const spans = items.map(
    ({ message: { createdAt }, folded }) => folded ?? { count: 1, startedAt: createdAt, endedAt: createdAt },
  );
  const folded = {
    count: spans.reduce((sum, { count }) => sum + count, 0),
    startedAt: Math.min(...spans.map(({ startedAt }) => startedAt)),
    endedAt: Math.max(...spans.map(({ endedAt }) => endedAt)),
  };
  const summary = `${folded.count} messages waited too long to be kept: this channel did not take them`;
  const id = items[0]?.message.id.replace(/-folded$/, '') ?? '';
  const message = {
    id: `${id}-folded`,
    createdAt: folded.endedAt,
    notifications: [foldedNotification(summary, folded.startedAt, folded.endedAt)],
  };
  return { message, folded };
};
