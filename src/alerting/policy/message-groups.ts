import { foldedNotification } from './messages.ts';
import type { Notification } from './notification.ts';

/** What waits for the end of the quiet hours. */
export interface DeferredNotifications {
  readonly notifications: readonly Notification[];
  /** How many older ones were left out, since only {@link MAX_DEFERRED} are kept. */
  readonly omittedCount: number;
}

export const NOTHING_DEFERRED: DeferredNotifications = { notifications: [], omittedCount: 0 };

const MAX_DEFERRED = 200;

interface Selection {
  /** The new notifications. */
  readonly notifications: readonly Notification[];
  readonly deferred: DeferredNotifications;
  mayBeDeferred(notification: Notification): boolean;
  /** Whether the deferred notifications are to be sent now, as one digest. */
  readonly isDigestDue: boolean;
}

/** Which notifications are sent now, each group as one message, the digest first; and which are deferred. */
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
  const digest = isDigestDue ? [...omissionNotice(all), ...all.notifications] : [];
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

const omissionNotice = ({ notifications, omittedCount }: DeferredNotifications): readonly Notification[] => {
  if (omittedCount === 0) return [];
  const times = notifications.map(({ startedAt, endedAt }) => endedAt ?? startedAt);
  const summary = `In the quiet hours there was more than is kept: ${omittedCount} earlier notices are left out`;
  return [foldedNotification(summary, Math.min(...times), Math.max(...times))];
};
