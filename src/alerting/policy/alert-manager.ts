import { isWithin } from '../../lib/duration.ts';
import {
  type AnnouncedState,
  type AnnouncementPolicy,
  diffAnnouncements,
  initialAnnouncements,
  skipWhileSilenced,
  type Update,
} from './incident-tracker.ts';
import { foldedNotification, type ProxyView, removedNotification } from './messages.ts';
import type { ActiveAlert, Message, Notification } from './notification.ts';

/** What has been said; kept over restarts of the monitor. */
export interface AlertState {
  /** By the PM2 app. */
  readonly proxies: Readonly<Record<string, AnnouncedState>>;
  /** Since when something is to be said; null when nothing is. */
  readonly groupStartedAt: number | null;
  /** What waits for the end of the quiet hours; `more` could not be kept. */
  readonly deferred: { readonly notifications: readonly Notification[]; readonly omittedCount: number };
  /** 0: none. */
  readonly silenceEndsAt: number;
  /** What is over, and the channels that have not taken that yet. */
  readonly resolved: readonly { readonly alert: ActiveAlert; readonly pendingFor: readonly string[] }[];
  /** How many messages there were. */
  readonly messageCount: number;
}

export interface AlertPolicy extends AnnouncementPolicy {
  /** What comes within so long of the first is one message; 0: each at once. */
  readonly groupWaitMs: number;
  /** The channels that are told what goes on (see {@link ActiveAlert}). */
  readonly stateChannels: readonly string[];
}

export interface Moment {
  readonly now: number;
  /** Within the quiet hours. */
  readonly isQuiet: boolean;
  /** Of this run of the monitor, and of no other: it makes the ids of its messages unlike all others. */
  readonly runId: string;
}

export const INITIAL_ALERT_STATE: AlertState = {
  ...{ proxies: {}, groupStartedAt: null, silenceEndsAt: 0, resolved: [], messageCount: 0 },
  deferred: { notifications: [], omittedCount: 0 },
};

/** So many are kept for the digest, and so many that are over for a channel that does not take them. */
const MAX_PENDING = 200;

/**
 * What has been said, and what is known now → what is to be said. It compares levels: what was not said before the
 * monitor was killed is said by the next one. Nothing that is new is the very same object.
 */
export const evaluate = (
  previous: AlertState,
  proxies: readonly ProxyView[],
  moment: Moment,
  policy: AlertPolicy,
): { readonly state: AlertState; readonly messages: readonly Message[] } => {
  const isSilenced = previous.silenceEndsAt > moment.now;
  const present = proxies.map((proxy) => {
    const announced = previous.proxies[proxy.name] ?? initialAnnouncements(proxy);
    const update = isSilenced
      ? {
          announced: skipWhileSilenced(announced, proxy, moment.now, policy),
          notifications: [],
          resolved: [],
        }
      : diffAnnouncements(announced, proxy, moment.now, policy);
    return { name: proxy.name, announced, update };
  });
  const removed = Object.entries(previous.proxies)
    .filter(([name]) => !proxies.some((proxy) => proxy.name === name))
    .map(([name, announced]) => ({
      name,
      announced,
      update: isSilenced ? unchanged(announced) : onProxyRemoved(announced, moment.now),
    }));
  const all = [...present, ...removed];
  const hasNotifications = all.some(({ update }) => update.notifications.length > 0);
  const groupStartedAt = hasNotifications ? (previous.groupStartedAt ?? moment.now) : null;
  const isDue = groupStartedAt !== null && !isWithin(groupStartedAt, moment.now, policy.groupWaitMs);
  // What has something to say stays as it was until that is said.
  const next = all.map((entry) =>
    isDue || entry.update.notifications.length === 0
      ? entry
      : { ...entry, update: unchanged(entry.announced) },
  );
  const state: AlertState = {
    ...previous,
    proxies: Object.fromEntries(
      next.flatMap(({ name, update: { announced } }) => (announced ? [[name, announced]] : [])),
    ),
    groupStartedAt: isDue ? null : groupStartedAt,
    resolved: addPendingResolves(
      previous,
      next.flatMap(({ update }) => update.resolved),
      policy,
    ),
  };
  const result = buildMessages(
    state,
    next.flatMap(({ update }) => update.notifications),
    moment,
    // Of the end of what they know of, they are to hear at once.
    (notification) =>
      !moment.isQuiet ||
      notification.severity === 'critical' ||
      previous.proxies[notification.proxy]?.outage?.notification.startedAt === notification.startedAt,
    isSilenced,
  );
  return isEqual(previous, result.state) ? { state: previous, messages: [] } : result;
};

/** Nothing is sent until then. At its end what is still down, and what has ended of what was told before, is said. */
export const silence = (state: AlertState, endsAt: number): AlertState => ({
  ...state,
  silenceEndsAt: endsAt,
});

/** What goes on and people know of, and what has ended since the channel last took such a list. */
export const alertsFor = ({ proxies, resolved }: AlertState, channel: string): readonly ActiveAlert[] => {
  const current = Object.values(proxies).flatMap(({ outage, flapping }) =>
    [outage, flapping].flatMap((announcement) =>
      announcement
        ? [
            {
              notification: announcement.notification,
              startsAt: announcement.notification.startedAt,
              endsAt: null,
            },
          ]
        : [],
    ),
  );
  const pending = resolved.filter(({ pendingFor }) => pendingFor.includes(channel)).map(({ alert }) => alert);
  // Of one that has begun again, the end of the time before is of no interest.
  const isOver = ({ notification }: ActiveAlert): boolean =>
    !current.some(
      (alert) =>
        alert.notification.proxy === notification.proxy && alert.notification.kind === notification.kind,
    );
  return [...current, ...pending.filter(isOver)];
};

/** The channel has taken the list: what was over in it is no longer owed to it. */
export const acknowledge = (
  state: AlertState,
  channel: string,
  alerts: readonly ActiveAlert[],
): AlertState => {
  const isAcknowledged = (alert: ActiveAlert): boolean =>
    alerts.some((acknowledged) => isEqual(acknowledged, alert));
  const resolved = state.resolved
    .map(({ alert, pendingFor }) => ({
      alert,
      pendingFor: isAcknowledged(alert) ? pendingFor.filter((name) => name !== channel) : pendingFor,
    }))
    .filter(({ pendingFor }) => pendingFor.length > 0);
  return resolved.length === 0 && state.resolved.length === 0 ? state : { ...state, resolved };
};

type ProxyUpdate = Omit<Update, 'announced'> & {
  /** Null: it is forgotten. */
  readonly announced: AnnouncedState | null;
};

const unchanged = (announced: AnnouncedState): ProxyUpdate => ({
  announced,
  notifications: [],
  resolved: [],
});

/** It was taken out of the config. */
const onProxyRemoved = ({ outage, flapping }: AnnouncedState, now: number): ProxyUpdate => {
  const announced = [outage, flapping].flatMap((announcement) =>
    announcement ? [announcement.notification] : [],
  );
  return {
    announced: null,
    notifications: announced.map((notification) => removedNotification(notification, now)),
    resolved: announced.map((notification) => ({
      notification: { ...notification, endedAt: now },
      startsAt: notification.startedAt,
      endsAt: now,
    })),
  };
};

const addPendingResolves = (
  { resolved }: AlertState,
  newlyResolved: readonly ActiveAlert[],
  { stateChannels }: AlertPolicy,
): AlertState['resolved'] =>
  [...resolved, ...newlyResolved.map((alert) => ({ alert, pendingFor: stateChannels }))]
    .map(({ alert, pendingFor }) => ({
      alert,
      pendingFor: pendingFor.filter((name) => stateChannels.includes(name)),
    }))
    .filter(({ pendingFor }) => pendingFor.length > 0)
    .slice(-MAX_PENDING);

/** What does not pass in quiet hours is kept for one digest. */
const buildMessages = (
  state: AlertState,
  notifications: readonly Notification[],
  moment: Moment,
  shouldSendNow: (notification: Notification) => boolean,
  isSilenced: boolean,
) => {
  const deferred = [
    ...state.deferred.notifications,
    ...notifications.filter((notification) => !shouldSendNow(notification)),
  ];
  const omittedCount = state.deferred.omittedCount + Math.max(0, deferred.length - MAX_PENDING);
  const isDigest = deferred.length > 0 && !moment.isQuiet && !isSilenced;
  const groups = [
    isDigest ? [...foldedDigest(deferred, omittedCount), ...deferred.slice(-MAX_PENDING)] : [],
    notifications.filter(shouldSendNow),
  ].filter((group) => group.length > 0);
  const messages = groups.map((group, index) => ({
    id: `${moment.runId}-${state.messageCount + index + 1}`,
    createdAt: moment.now,
    notifications: group,
  }));
  const remaining = isDigest
    ? INITIAL_ALERT_STATE.deferred
    : { notifications: deferred.slice(-MAX_PENDING), omittedCount };
  return {
    state: { ...state, deferred: remaining, messageCount: state.messageCount + messages.length },
    messages,
  };
};

const foldedDigest = (deferred: readonly Notification[], omittedCount: number): readonly Notification[] => {
  const times = deferred.map(({ startedAt, endedAt }) => endedAt ?? startedAt);
  const [startedAt, endedAt] = [Math.min(...times), Math.max(...times)];
  const summary = `In the quiet hours there was more than is kept: ${omittedCount} earlier notices are left out`;
  return omittedCount === 0 ? [] : [foldedNotification(summary, startedAt, endedAt)];
};

const isEqual = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
