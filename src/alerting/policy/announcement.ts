import type * as v from 'valibot';
import { causeSchema } from '../../health/types.ts';
import type { Severity } from '../../kinds/channels/severity.ts';
import { fields, flag, instant, listOf, orNull, text, withDefault } from '../../lib/stored-fields.ts';
import { type ActiveAlert, type Notification, notificationSchema } from './notification.ts';

const announcementSchema = fields({
  notification: notificationSchema,
  /** The time of the last announcement. The next reminder counts from then. */
  announcedAt: instant,
});

export const announcedStateSchema = fields({
  /** The announced incident. The `startedAt` of its notification tells it from others. */
  outage: orNull(announcementSchema),
  flapping: orNull(announcementSchema),
  /** The times at which the port recently went down or was restarted. */
  failedAt: listOf(instant),
  /** The last incident of the history that was handled, by its `startedAt`. */
  lastHandledStartedAt: orNull(instant),
  isGivenUp: flag,
  /** The announced warnings. One that has ended is remembered for `flapping.windowMs`: it may only have paused. */
  warnings: listOf(fields({ cause: causeSchema, endedAt: orNull(instant) })),
  /** The concerns of the announced problems of the monitor itself (MONITOR_PROBLEM_KINDS); none for a port. */
  concerns: withDefault(listOf(text), []),
});

/** The announcements of a port. Instants are wall-clock milliseconds. */
export type AnnouncedState = v.InferOutput<typeof announcedStateSchema>;

export interface AnnouncementPolicy {
  /** The time that an outage lasts before it is announced, in milliseconds; 0: at once. */
  readonly afterMs: number;
  /** The same for a fault that is not the upstream's; `afterMs` where that is shorter. */
  readonly ownFaultAfterMs: number;
  /** The time that every outage lasts at least, also one that was given up; 0: there is no such time. */
  readonly minAgeMs: number;
  /** The least severity of what is announced. */
  readonly minSeverity: Severity;
  /** The time between two reminders while a port is down or flaps; 0: no reminders. */
  readonly repeatIntervalMs: number;
  /**
   * More than `threshold` failures within `windowMs` are announced as flapping, once; from then on only an outage that lasts
   * `afterMs` is.
   */
  readonly flapping: { readonly threshold: number; readonly windowMs: number; readonly afterMs: number };
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
