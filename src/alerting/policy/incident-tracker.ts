import type { Health, PastIncident } from '../../health/state.ts';
import type { Cause } from '../../health/types.ts';
import { isWithin } from '../../lib/duration.ts';
import {
  type AnnouncedState,
  type AnnouncementPolicy,
  announce,
  toResolvedAlert,
  type Update,
  unchanged,
} from './announcement.ts';
import type { Notification } from './notification.ts';
import {
  downNotification,
  flappingNotification,
  givenUpNotification,
  outageNotification,
  recoveredNotification,
  reminderNotification,
  restartedNotification,
  steadyNotification,
  warningNotification,
} from './notifications.ts';
import { hasGivenUp, isNews, patienceMs } from './patience.ts';
import type { ProxyView } from './proxy-view.ts';

/** The announced state of a new port: its past incidents count as handled. */
export const initialAnnouncements = ({ health }: Pick<ProxyView, 'health'>): AnnouncedState => ({
  outage: null,
  concerns: [],
  flapping: null,
  failedAt: [],
  lastHandledStartedAt: health.history.at(-1)?.startedAt ?? null,
  isGivenUp: false,
  warnings: [],
});

/**
 * Finds what changed since the last announcement. The result depends on the two states only, not on how often it is asked for.
 * @param now wall-clock milliseconds
 */
export const diffAnnouncements = (
  announced: AnnouncedState,
  proxy: ProxyView,
  now: number,
  policy: AnnouncementPolicy,
): Update => {
  const context: RuleContext = { previous: announced, proxy, now, policy };
  return RULES.reduce((update, applyRule) => applyRule(update, context), unchanged(announced));
};

/** The announced state in a silence: incidents that end in it and warnings that begin in it are never announced. */
export const skipWhileSilenced = (
  announced: AnnouncedState,
  proxy: ProxyView,
  now: number,
  policy: AnnouncementPolicy,
): AnnouncedState => {
  const context: RuleContext = { previous: announced, proxy, now, policy };
  return {
    ...announceWarnings(unchanged(announced), context).announced,
    lastHandledStartedAt: proxy.health.history.at(-1)?.startedAt ?? announced.lastHandledStartedAt,
    isGivenUp: hasGivenUp(proxy),
  };
};

interface RuleContext {
  /** The announced state before the first rule. */
  readonly previous: AnnouncedState;
  readonly proxy: ProxyView;
  readonly now: number;
  readonly policy: AnnouncementPolicy;
}

/** Adds what one rule announces to the update. */
type ApplyRule = (update: Update, context: RuleContext) => Update;

/**
 * The incident that ended the announced outage; null when the history has none. Where the record of the port began anew in the
 * outage, the first incident of the new one is the rest of it.
 */
const endOfOutage = ({ outage }: AnnouncedState, { history }: Health): PastIncident | null => {
  if (outage === null) return null;
  const { startedAt } = outage.notification;
  return (
    history.findLast((past) => past.startedAt === startedAt) ??
    history.find((past) => past.startedAt > startedAt) ??
    null
  );
};

/** True while nothing shows that an outage is over: the port fails or starts, or its record has just begun anew. */
const mayGoOn = ({ incident, state }: Health): boolean =>
  incident !== null || state === 'starting' || state === 'down';

/**
 * Announces the end of the announced outage. It is the first rule: people must hear of the end of an outage before the start of
 * the next one. An outage of which the record no longer knows anything goes on until a check is good.
 */
const announceRecovery: ApplyRule = (update, { proxy, now }) => {
  const { outage } = update.announced;
  if (outage === null) return update;
  const { startedAt } = outage.notification;
  if (proxy.health.incident?.startedAt === startedAt) return update;
  const end = endOfOutage(update.announced, proxy.health);
  if (end === null && mayGoOn(proxy.health)) return update;
  const past = end && { ...end, startedAt };
  const resolved = [...update.resolved, toResolvedAlert(outage.notification, past?.endedAt ?? now)];
  const notification = recoveredNotification(asAnnounced(proxy, outage), outage.notification, past, now);
  return announce({ ...update, resolved }, notification, { outage: null });
};

/**
 * Announces the incidents that began and ended since the last evaluation. An outage that ended before it was announced, or a
 * restart, is one notification. It comes before newer events. One that was shorter than the patience is no news, though a
 * proxy that is restarted again and again is.
 */
const announcePastIncidents: ApplyRule = (update, context) => {
  const { proxy, previous, policy } = context;
  const { history, state } = proxy.health;
  const { lastHandledStartedAt } = update.announced;
  const endOfAnnounced = endOfOutage(previous, proxy.health);
  const lastHandledIndex = history.findLastIndex(({ startedAt }) => startedAt === lastHandledStartedAt);
  const unannounced = history.slice(lastHandledIndex + 1).filter((past) => past !== endOfAnnounced);
  let next: Update = {
    ...update,
    announced: {
      ...update.announced,
      lastHandledStartedAt: history.at(-1)?.startedAt ?? lastHandledStartedAt,
    },
  };
  for (const past of unannounced) {
    const isRestart = past.hasNewProcess && state !== 'stopped';
    if (!past.alerted && !isRestart) continue;
    const lastedMs = (past.lastFailedAt ?? past.endedAt) - past.startedAt;
    const isLong = lastedMs >= patienceMs(proxy, past.cause, policy);
    if (isLong || isRestart) next = recordFailure(next, past, context);
    const isHeld = next.announced.flapping !== null && lastedMs < policy.flapping.afterMs;
    if (!isLong || isHeld) continue;
    const notification = past.alerted ? outageNotification(proxy, past) : restartedNotification(proxy, past);
    next = announce(next, notification, {});
  }
  return next;
};

/**
 * Ends the flapping of a port that was the same for `windowMs`. It stands before the outage rule, which is silent while the
 * port flaps.
 */
const resolveFlapping: ApplyRule = (
  update,
  {
    proxy,
    now,
    policy: {
      flapping: { windowMs },
    },
  },
) => {
  const { flapping } = update.announced;
  const { incident, history, firstCheckAt } = proxy.health;
  // A record without a history has begun anew: what was before it is not known.
  const steadySince = incident?.startedAt ?? history.at(-1)?.endedAt ?? firstCheckAt;
  const isSteady = !isWithin(steadySince, now, windowMs);
  const isPending = incident !== null && !incident.alerted;
  if (!flapping || isPending || !isSteady) return update;
  const resolved = [...update.resolved, toResolvedAlert(flapping.notification, now)];
  // A port that stays down is announced by the next rule.
  if (incident) return { ...update, resolved, announced: { ...update.announced, flapping: null } };
  const notification = steadyNotification(asAnnounced(proxy, flapping), flapping.notification, now, windowMs);
  return announce({ ...update, resolved }, notification, { flapping: null });
};

/**
 * Announces an incident once, when it is news. After too many failures it announces flapping instead, and the incident when it
 * has lasted longer, or the port was given up.
 */
const announceOutage: ApplyRule = (update, context) => {
  const { proxy, now, policy } = context;
  const { incident } = proxy.health;
  if (incident === null || update.announced.outage) return update;
  if (!isNews(proxy, incident, false, now, policy)) return update;
  const recorded = recordFailure(update, incident, context);
  const isFlapping = recorded.announced.flapping !== null;
  if (!isNews(proxy, incident, isFlapping, now, policy)) return recorded;
  const isNewlyGivenUp = hasGivenUp(proxy) && !update.announced.isGivenUp;
  const notification = isNewlyGivenUp
    ? givenUpNotification(proxy, incident)
    : downNotification(proxy, incident);
  return announce(recorded, notification, {
    outage: { notification, announcedAt: now },
    isGivenUp: isNewlyGivenUp || update.announced.isGivenUp,
  });
};

/**
 * Announces an announced outage once more when restarts do not end it. It stands after the outage rule, which may have
 * announced that already.
 */
const announceGivenUp: ApplyRule = (update, { proxy }) => {
  const isGivenUp = hasGivenUp(proxy);
  if (isGivenUp === update.announced.isGivenUp) return update;
  const { incident } = proxy.health;
  const { outage } = update.announced;
  // The rule before announces it in time, as given up.
  if (isGivenUp && outage === null) return update;
  return isGivenUp && incident && outage
    ? announce(update, givenUpNotification(asAnnounced(proxy, outage), incident), { isGivenUp })
    : { ...update, announced: { ...update.announced, isGivenUp } };
};

/**
 * Repeats an announced outage or flapping, so that it is not forgotten. The time counts from the last announcement, which may
 * be of this evaluation.
 */
const announceReminder: ApplyRule = (update, { proxy, now, policy: { repeatIntervalMs } }) => {
  const { outage, flapping } = update.announced;
  const announcement = outage ?? flapping;
  if (!announcement || repeatIntervalMs === 0) return update;
  if (isWithin(announcement.announcedAt, now, repeatIntervalMs)) return update;
  const repeated = { ...announcement, announcedAt: now };
  return announce(
    update,
    reminderNotification(asAnnounced(proxy, announcement), announcement.notification, now),
    outage ? { outage: repeated } : { flapping: repeated },
  );
};

/**
 * Announces a warning when it begins, and not again when it has only paused. It is independent of outages, so it is the last
 * rule.
 */
const announceWarnings: ApplyRule = (
  update,
  {
    proxy,
    now,
    policy: {
      flapping: { windowMs },
    },
  },
) => {
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

/**
 * The proxy under the machine's name of an open alert. An alert keeps that until its end: receivers tell alerts apart by it.
 */
const asAnnounced = (
  proxy: ProxyView,
  { notification: { host } }: { readonly notification: Notification },
): ProxyView => ({ ...proxy, host });

/** Counts a failure once. The one that exceeds `flapping.threshold` is announced as flapping. */
const recordFailure = (
  update: Update,
  { startedAt, cause }: { readonly startedAt: number; readonly cause: Cause },
  { proxy, now, policy }: RuleContext,
): Update => {
  const { announced } = update;
  const { threshold, windowMs } = policy.flapping;
  if (announced.failedAt.includes(startedAt) || !isWithin(startedAt, now, windowMs)) return update;
  const recent = announced.failedAt.filter((failureAt) => isWithin(failureAt, now, windowMs));
  const failedAt = [...recent, startedAt].slice(-threshold - 1);
  const recorded: Update = { ...update, announced: { ...announced, failedAt } };
  if (announced.flapping || failedAt.length <= threshold) return recorded;
  const notification = flappingNotification(proxy, cause, failedAt, policy.flapping);
  return announce(recorded, notification, { flapping: { notification, announcedAt: now } });
};

/** The rules in their order. Each one gets the announced state that the rules before it have made. */
const RULES: readonly ApplyRule[] = [
  announceRecovery,
  announcePastIncidents,
  resolveFlapping,
  announceOutage,
  announceGivenUp,
  announceReminder,
  announceWarnings,
];
