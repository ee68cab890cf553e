import type { Cause } from '../../health/types.ts';
import { isWithin } from '../../lib/duration.ts';
import {
  downNotification,
  flappingNotification,
  givenUpNotification,
  outageNotification,
  type ProxyView,
  recoveredNotification,
  reminderNotification,
  restartedNotification,
  steadyNotification,
  warningNotification,
} from './messages.ts';
import type { ActiveAlert, Notification } from './notification.ts';

/** What people have been told of a port, and what they need not be told again. */
export interface AnnouncedState {
  /** The incident that they know of; `fromMs` of its notice tells it from others. */
  readonly outage: Announcement | null;
  readonly flapping: Announcement | null;
  /** When it went down, or was restarted, of late. */
  readonly failedAt: readonly number[];
  /** The last incident of the history that is dealt with, by its `fromMs`. */
  readonly lastHandledStartedAt: number | null;
  readonly isGivenUp: boolean;
  /** One that has ended is remembered for a while: it may only have paused. */
  readonly warnings: readonly { readonly cause: Cause; readonly endedAt: number | null }[];
}

export interface Announcement {
  readonly notification: Notification;
  /** When it was last told: the next reminder counts from then. */
  readonly announcedAt: number;
}

export interface AnnouncementPolicy {
  /** While a port is down; 0: never. */
  readonly repeatIntervalMs: number;
  /** More than `threshold` within `windowMs` is told once. */
  readonly flapping: { readonly threshold: number; readonly windowMs: number };
}

/** What is to be told of a port, and what will have been told then. */
export interface Update {
  readonly announced: AnnouncedState;
  readonly notifications: readonly Notification[];
  /** What they knew of, and what is over. */
  readonly resolved: readonly ActiveAlert[];
}

/** At the first sight the past is past. */
export const initialAnnouncements = ({ health }: ProxyView): AnnouncedState => ({
  ...{ outage: null, flapping: null, failedAt: [], isGivenUp: false, warnings: [] },
  lastHandledStartedAt: health.history.at(-1)?.startedAt ?? null,
});

/** Compares what was told with what is known: it matters not how often, or how seldom, it is asked. */
export const diffAnnouncements = (
  announced: AnnouncedState,
  proxy: ProxyView,
  now: number,
  policy: AnnouncementPolicy,
): Update => {
  const rules = [
    announceRecovery,
    announcePast,
    resolveFlapping,
    announceOutage,
    announceGivenUp,
    announceReminder,
    announceWarnings,
  ];
  const unchanged: Update = { announced, notifications: [], resolved: [] };
  return rules.reduce((update, rule) => rule(update, proxy, now, policy, announced), unchanged);
};

/** In silence: what is over by its end, or has only just begun to warn, is told no more. */
export const skipWhileSilenced = (
  announced: AnnouncedState,
  proxy: ProxyView,
  now: number,
  policy: AnnouncementPolicy,
): AnnouncedState => ({
  ...announceWarnings({ announced, notifications: [], resolved: [] }, proxy, now, policy, announced)
    .announced,
  lastHandledStartedAt: proxy.health.history.at(-1)?.startedAt ?? announced.lastHandledStartedAt,
  isGivenUp: hasGivenUp(proxy),
});

type Rule = (
  update: Update,
  proxy: ProxyView,
  now: number,
  policy: AnnouncementPolicy,
  previous: AnnouncedState,
) => Update;

const announce = (update: Update, notification: Notification, changes: Partial<AnnouncedState>): Update => ({
  ...update,
  announced: { ...update.announced, ...changes },
  notifications: [...update.notifications, notification],
});

const toResolvedAlert = ({ notification }: Announcement, endedAt: number): ActiveAlert => ({
  notification: { ...notification, endedAt },
  startsAt: notification.startedAt,
  endsAt: endedAt,
});

const hasGivenUp = ({ health: { incident, breaker } }: ProxyView): boolean =>
  incident !== null && breaker.openCount > 0;

/** The incident that they know of is over. */
const announceRecovery: Rule = (update, proxy, now) => {
  const { outage } = update.announced;
  const { incident, history } = proxy.health;
  if (outage === null || incident?.startedAt === outage.notification.startedAt) return update;
  const past = history.findLast(({ startedAt }) => startedAt === outage.notification.startedAt) ?? null;
  const resolved = [...update.resolved, toResolvedAlert(outage, past?.endedAt ?? now)];
  return announce({ ...update, resolved }, recoveredNotification(proxy, outage.notification, past, now), {
    outage: null,
  });
};

/** The incidents that have come and gone since the last time. */
const announcePast: Rule = (update, proxy, now, policy, previous) => {
  const { history, state } = proxy.health;
  const newIncidents = history.slice(
    history.findLastIndex(({ startedAt }) => startedAt === update.announced.lastHandledStartedAt) + 1,
  );
  const lastHandledStartedAt = history.at(-1)?.startedAt ?? update.announced.lastHandledStartedAt;
  const unannounced = newIncidents.filter(
    ({ startedAt }) => startedAt !== previous.outage?.notification.startedAt,
  );
  let next: Update = { ...update, announced: { ...update.announced, lastHandledStartedAt } };
  for (const past of unannounced) {
    const isRestart = past.hasNewProcess && state !== 'stopped';
    if (!past.alerted && !isRestart) continue;
    const notification = past.alerted ? outageNotification(proxy, past) : restartedNotification(proxy, past);
    next = recordFailure(next, proxy, { ...past, now }, policy);
    if (next.announced.flapping === null) next = announce(next, notification, {});
  }
  return next;
};

/** It has come and gone, and for a while it does so no more. */
const resolveFlapping: Rule = (update, proxy, now, { flapping: { windowMs } }) => {
  const { flapping } = update.announced;
  const { incident, history } = proxy.health;
  const since = incident ? incident.startedAt : history.at(-1)?.endedAt;
  const isPending = incident !== null && !incident.alerted;
  if (!flapping || isPending || (since !== undefined && isWithin(since, now, windowMs))) return update;
  const resolvedUpdate = { ...update, resolved: [...update.resolved, toResolvedAlert(flapping, now)] };
  // One that stays down is told as such by the next step.
  if (incident) return { ...resolvedUpdate, announced: { ...resolvedUpdate.announced, flapping: null } };
  return announce(resolvedUpdate, steadyNotification(proxy, flapping.notification, now, windowMs), {
    flapping: null,
  });
};

const announceOutage: Rule = (update, proxy, now, policy) => {
  const { incident } = proxy.health;
  const shouldAnnounce = incident !== null && (incident.alerted || hasGivenUp(proxy));
  if (!shouldAnnounce || update.announced.outage) return update;
  const recorded = recordFailure(
    update,
    proxy,
    { startedAt: incident.startedAt, cause: incident.cause, now },
    policy,
  );
  if (recorded.announced.flapping) return recorded;
  const isNewlyGivenUp = hasGivenUp(proxy) && !update.announced.isGivenUp;
  const notification = isNewlyGivenUp
    ? givenUpNotification(proxy, incident)
    : downNotification(proxy, incident);
  return announce(recorded, notification, {
    outage: { notification, announcedAt: now },
    isGivenUp: isNewlyGivenUp || update.announced.isGivenUp,
  });
};

const announceGivenUp: Rule = (update, proxy) => {
  const isGivenUp = hasGivenUp(proxy);
  if (isGivenUp === update.announced.isGivenUp) return update;
  const { incident } = proxy.health;
  return isGivenUp && incident
    ? announce(update, givenUpNotification(proxy, incident), { isGivenUp })
    : { ...update, announced: { ...update.announced, isGivenUp } };
};

/** Counts a fall, each once. With more of them than there may be it is said that it comes and goes, and no more then. */
const recordFailure = (
  update: Update,
  proxy: ProxyView,
  { startedAt, cause, now }: { startedAt: number; cause: Cause; now: number },
  { flapping: { threshold, windowMs } }: AnnouncementPolicy,
): Update => {
  const { announced } = update;
  if (announced.failedAt.includes(startedAt) || !isWithin(startedAt, now, windowMs)) return update;
  const recent = announced.failedAt.filter((failureAt) => isWithin(failureAt, now, windowMs));
  const failedAt = [...recent, startedAt].slice(-threshold - 1);
  const recorded: Update = { ...update, announced: { ...announced, failedAt } };
  if (announced.flapping || failedAt.length <= threshold) return recorded;
  const notification = flappingNotification(proxy, cause, failedAt, windowMs);
  return announce(recorded, notification, { flapping: { notification, announcedAt: now } });
};

const announceReminder: Rule = (update, proxy, now, { repeatIntervalMs }) => {
  const { outage, flapping } = update.announced;
  const announcement = outage ?? flapping;
  if (!announcement || repeatIntervalMs === 0 || isWithin(announcement.announcedAt, now, repeatIntervalMs))
    return update;
  const repeated = { ...announcement, announcedAt: now };
  return announce(
    update,
    reminderNotification(proxy, announcement.notification, now),
    outage ? { outage: repeated } : { flapping: repeated },
  );
};

/** What begins to warn again soon after it has ended is not told again. */
const announceWarnings: Rule = (update, proxy, now, { flapping: { windowMs } }) => {
  const { warnings } = proxy.health;
  const known = update.announced.warnings
    .map(({ cause, endedAt }) => ({ cause, endedAt: warnings.includes(cause) ? null : (endedAt ?? now) }))
    .filter(({ endedAt }) => endedAt === null || isWithin(endedAt, now, windowMs));
  const newWarnings = warnings.filter((cause) => !known.some((warning) => warning.cause === cause));
  const remembered = [...known, ...newWarnings.map((cause) => ({ cause, endedAt: null }))];
  const next: Update = { ...update, announced: { ...update.announced, warnings: remembered } };
  return newWarnings.reduce(
    (result, cause) => announce(result, warningNotification(proxy, cause, now), {}),
    next,
  );
};
