import type * as v from 'valibot';
import { count, fields, listOf } from '../../lib/stored-fields.ts';
import { type Notification, notificationSchema } from './notification.ts';
import { foldedNotification } from './notifications.ts';

export const deferredSchema = fields({
  notifications: listOf(notificationSchema),
  /** The number of older ones that were left out, since only {@link MAX_DEFERRED} are kept. */
  omittedCount: count,
});

/** The notifications that wait for the end of the quiet hours. */
export type DeferredNotifications = v.InferOutput<typeof deferredSchema>;

export const NOTHING_DEFERRED: DeferredNotifications = { notifications: [], omittedCount: 0 };

const MAX_DEFERRED = 200;

interface Selection {
  /** The new notifications. */
  readonly notifications: readonly Notification[];
  readonly deferred: DeferredNotifications;
  mayBeDeferred(notification: Notification): boolean;
  /** True when the deferred notifications are to be sent now, as one digest. */
  readonly isDigestDue: boolean;
}

/** Splits the notifications into those to send now, a message for each group, the digest first, and the deferred ones. */
export const selectGroups = ({
  notifications,
  deferred,
  mayBeDeferred,
  isDigestDue,
}: Selection): {
  readonly groups: readonly (readonly Notification[])[];
  readonly deferred: DeferredNotifications;
} => {
  const all = defer(deferred, notifications.filter(mayBeDeferred));
  const digest = isDigestDue ? [...omissionNotification(all), ...all.notifications] : [];
  const immediate = notifications.filter((notification) => !mayBeDeferred(notification));
  return {
    groups: [digest, immediate].filter((group) => group.length > 0),
    deferred: isDigestDue ? NOTHING_DEFERRED : all,
  };
};

const defer = (
  { notifications, omittedCount }: DeferredNotifications,
  added: readonly Notification[],
): DeferredNotifications => {
  const all = [...notifications, ...added];
  return {
    notifications: all.slice(-MAX_DEFERRED),
    omittedCount: omittedCount + Math.max(0, all.length - MAX_DEFERRED),
  };
};

const omissionNotification = ({
  notifications,
  omittedCount,
}: DeferredNotifications): readonly Notification[] => {
  if (omittedCount === 0) return [];
  const times = notifications.map(({ startedAt, endedAt }) => endedAt ?? startedAt);
  const summary = `In the quiet hours there was more than is kept: ${omittedCount} earlier notices are left out`;
  const host = notifications.at(-1)?.host ?? '';
  return [foldedNotification(summary, host, Math.min(...times), Math.max(...times))];
};
