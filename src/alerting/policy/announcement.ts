import type { Cause } from '../../health/types.ts';
import type { ActiveAlert, Notification } from './notification.ts';

/** The announcements of a port. Instants are wall-clock milliseconds. */
export interface AnnouncedState {
  /** The announced incident. The `startedAt` of its notification tells it from others. */
  readonly outage: Announcement | null;
  readonly flapping: Announcement | null;
  /** The times at which the port recently went down or was restarted. */
  readonly failedAt: readonly number[];
  /** The last incident of the history that was handled, by its `startedAt`. */
  readonly lastHandledStartedAt: number | null;
  readonly isGivenUp: boolean;
  /** The announced warnings. One that has ended is remembered for `flapping.windowMs`: it may only have paused. */
  readonly warnings: readonly { readonly cause: Cause; readonly endedAt: number | null }[];
}

export interface Announcement {
  readonly notification: Notification;
  /** The time of the last announcement. The next reminder counts from then. */
  readonly announcedAt: number;
}

export interface AnnouncementPolicy {
  /** The time between two reminders while a port is down or flaps; 0: no reminders. */
  readonly repeatIntervalMs: number;
  /** More than `threshold` failures within `windowMs` are announced as flapping, once. */
  readonly flapping: { readonly threshold: number; readonly windowMs: number };
}

/** The notifications to send about a port, and its announced state after them. */
export interface Update {
  readonly announced: AnnouncedState;
  readonly notifications: readonly Notification[];
  /** The announced alerts that are over. */
  readonly resolved: readonly ActiveAlert[];
}

export const unchanged = (announced: AnnouncedState): Update => ({
  announced,
  notifications: [],
  resolved: [],
});

export const announce = (
  update: Update,
  notification: Notification,
  changes: Partial<AnnouncedState>,
): Update => ({
  ...update,
  announced: { ...update.announced, ...changes },
  notifications: [...update.notifications, notification],
});

export const toResolvedAlert = (notification: Notification, endedAt: number): ActiveAlert => ({
  notification: { ...notification, endedAt },
  startsAt: notification.startedAt,
  endsAt: endedAt,
});
