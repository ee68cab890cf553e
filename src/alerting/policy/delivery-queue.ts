import type * as v from 'valibot';
import { count, fields, instant, listOf, orNull, recordOf, text } from '../../lib/stored-fields.ts';
import type { Delivery, Outcome } from '../delivery.ts';
import { type Message, messageSchema } from './notification.ts';
import { foldedNotification } from './notifications.ts';
import { isDue, retryDelayMs } from './retry.ts';

const queuedSchema = fields({
  message: messageSchema,
  /** The number of messages that this one replaces, and the time that they span. Null when it replaces none. */
  folded: orNull(fields({ count, startedAt: instant, endedAt: instant })),
});

export type Queued = v.InferOutput<typeof queuedSchema>;

const queueSchema = fields({
  items: listOf(queuedSchema),
  /** Failed tries of the first message. */
  attempts: count,
  /** The time of the next try of the first message, in wall-clock milliseconds. */
  nextAttemptAt: instant,
  /** Why the last try failed; null when it succeeded. */
  problem: orNull(text),
});

/** The messages that wait for one channel, the oldest first. The first one is tried. */
export type Queue = v.InferOutput<typeof queueSchema>;

export const outboxSchema = recordOf(queueSchema, text);

/** The queues by the channel's name. */
export type Outbox = v.InferOutput<typeof outboxSchema>;

export const EMPTY_QUEUE: Queue = { items: [], attempts: 0, nextAttemptAt: 0, problem: null };

/** The longest queue. When more messages wait, the oldest of them become one. */
export const MAX_QUEUED = 100;

/** Adds the messages to the end of each channel's queue. @returns the very same outbox when there are none */
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

/** Removes the queues of channels that are no longer configured. @returns also how many messages each of them had */
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

/** The number of messages that wait. A folded message counts as many as it replaces. */
export const countQueued = ({ items }: Queue): number =>
  items.reduce((sum, { folded }) => sum + (folded?.count ?? 1), 0);

/** The message that is to be tried now; undefined when there is none. */
export const nextMessage = ({ items, nextAttemptAt }: Queue, now: number): Message | undefined =>
  isDue(nextAttemptAt, now) ? items[0]?.message : undefined;

/**
 * The queue after its first message was tried.
 * @param random 0 to 1: see {@link retryDelayMs}
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
  const nextAttemptAt = now + retryDelayMs(attempts, retryAfterMs, random);
  return { queue: { ...queue, attempts, nextAttemptAt, problem }, outcome: 'failed' };
};

/** Folds the oldest messages but the first, which may be under way. */
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
  const host = items.at(-1)?.message.notifications[0]?.host ?? '';
  const message = {
    id: `${id}-folded`,
    createdAt: folded.endedAt,
    notifications: [foldedNotification(summary, host, folded.startedAt, folded.endedAt)],
  };
  return { message, folded };
};
