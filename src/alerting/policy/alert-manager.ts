/**
 * The room alerting/policy: decides what is announced, when, and in which words. It is pure: states and instants go in,
 * states and messages come out.
 */

import type * as v from 'valibot';
import { createHealth } from '../../health/state.ts';
import { isAtLeast, type Severity } from '../../kinds/channels/severity.ts';
import { isWithin } from '../../lib/duration.ts';
import { count, fields, instant, orNull } from '../../lib/stored-fields.ts';
import { MONITOR_PROBLEM_KINDS, type MonitorProblem } from '../../status/monitor-problem.ts';
import { activeAlertStateSchema, activeAlertsOf, addResolved, resolveAll } from './active-alerts.ts';
import {
  type AnnouncedState,
  type AnnouncementPolicy,
  announce,
  type Update,
  unchanged,
} from './announcement.ts';
import { diffAnnouncements, initialAnnouncements, skipWhileSilenced } from './incident-tracker.ts';
import { deferredSchema, NOTHING_DEFERRED, selectGroups } from './message-groups.ts';
import { type Message, type Notification, subjectSeverity } from './notification.ts';
import { problemNotification, removedNotification, solvedNotification } from './notifications.ts';
import { problemPatienceMs } from './patience.ts';
import { type MonitorView, NO_PROBLEMS, type ProxyView } from './proxy-view.ts';

export const alertStateSchema = fields({
  ...activeAlertStateSchema.entries,
  /** The time of the first notification of the next message; null when there is none. */
  groupStartedAt: orNull(instant),
  deferred: deferredSchema,
  /** 0: there is no silence. */
  silenceEndsAt: instant,
  /** The number of messages made so far. */
  messageCount: count,
});

/** The announcements of all ports. They outlive restarts of the monitor. Instants are wall-clock milliseconds. */
export type AlertState = v.InferOutput<typeof alertStateSchema>;

export interface AlertPolicy extends AnnouncementPolicy {
  /** Notifications within this time after the first are one message; 0: each evaluation sends its own. */
  readonly groupWaitMs: number;
  /** The names of the channels that get a state instead of events. */
  readonly stateChannels: readonly string[];
}

export interface Moment {
  readonly now: number;
  /** True when `now` is within the quiet hours. */
  readonly isQuiet: boolean;
  /** Identifies this run of the monitor, so that the ids of its messages are unique. */
  readonly runId: string;
}

export const INITIAL_ALERT_STATE: AlertState = {
  proxies: {},
  groupStartedAt: null,
  deferred: NOTHING_DEFERRED,
  silenceEndsAt: 0,
  resolved: [],
  messageCount: 0,
};

/**
 * Compares what was announced with what is known, and makes the messages for the difference. It compares states, not events:
 * what was not announced before the monitor was killed is announced by the next one.
 * @returns the very same state when nothing is new
 */
export const evaluate = (
  previous: AlertState,
  proxies: readonly ProxyView[],
  moment: Moment,
  policy: AlertPolicy,
  monitor: MonitorView = NO_PROBLEMS,
): { readonly state: AlertState; readonly messages: readonly Message[] } => {
  const changes = [
    ...proxies.map((proxy) => diffProxy(previous, proxy, moment.now, policy)),
    ...diffRemoved(previous, [...proxies.map(({ name }) => name), monitor.app], moment.now),
    diffMonitor(previous, monitor, moment.now, policy),
  ].map((change) => omitMinor(change, policy.minSeverity));
  const hasNotifications = changes.some(({ update }) => update.notifications.length > 0);
  const groupStartedAt = hasNotifications ? (previous.groupStartedAt ?? moment.now) : null;
  const isDue = groupStartedAt !== null && !isWithin(groupStartedAt, moment.now, policy.groupWaitMs);
  // A port with notifications keeps its announced state until they are sent.
  const updates = changes.map(({ name, announced, update }) => ({
    name,
    update: isDue || update.notifications.length === 0 ? update : unchanged(announced),
  }));
  const newlyResolved = updates.flatMap(({ update }) => update.resolved);
  const state: AlertState = {
    ...previous,
    proxies: toAnnouncedStates(updates),
    groupStartedAt: isDue ? null : groupStartedAt,
    resolved: addResolved(previous.resolved, newlyResolved, policy.stateChannels),
  };
  const notifications = updates.flatMap(({ update }) => update.notifications);
  const result = buildMessages(previous, state, notifications, moment);
  return isEqual(previous, result.state) ? { state: previous, messages: [] } : result;
};

/**
 * Begins a silence. At its end the ports that are still down are announced, and the ends of alerts that were announced before it.
 * @param endsAt wall-clock milliseconds; 0 ends the silence
 */
export const silence = (state: AlertState, endsAt: number): AlertState => ({
  ...state,
  silenceEndsAt: endsAt,
});

type ProxyUpdate = Omit<Update, 'announced'> & {
  /** Null removes the port from the state. */
  readonly announced: AnnouncedState | null;
};

interface ProxyChange {
  readonly name: string;
  /** The announced state before this change. */
  readonly announced: AnnouncedState;
  readonly update: ProxyUpdate;
}

/** Leaves out what is less severe. The announced state is the same, so that flapping is known to whoever hears of outages only. */
const omitMinor = (change: ProxyChange, minSeverity: Severity): ProxyChange => ({
  ...change,
  update: {
    ...change.update,
    notifications: change.update.notifications.filter((notification) =>
      isAtLeast(subjectSeverity(notification), minSeverity),
    ),
    resolved: change.update.resolved.filter(({ notification }) =>
      isAtLeast(notification.severity, minSeverity),
    ),
  },
});

const isSilenced = ({ silenceEndsAt }: AlertState, now: number): boolean => silenceEndsAt > now;

/** A port that this monitor has not checked yet keeps its announced state, also that it has none. */
const diffProxy = (previous: AlertState, proxy: ProxyView, now: number, policy: AlertPolicy): ProxyChange => {
  const known = previous.proxies[proxy.name] ?? null;
  const announced = known ?? initialAnnouncements(proxy);
  if (!proxy.isChecked)
    return { name: proxy.name, announced, update: { ...unchanged(announced), announced: known } };
  const update = isSilenced(previous, now)
    ? unchanged(skipWhileSilenced(announced, proxy, now, policy))
    : diffAnnouncements(announced, proxy, now, policy);
  return { name: proxy.name, announced, update };
};

/** Ends the alerts of the ports that were taken out of the config. @param apps those that remain */
const diffRemoved = (previous: AlertState, apps: readonly string[], now: number): readonly ProxyChange[] => {
  const names = new Set(apps);
  return Object.entries(previous.proxies)
    .filter(([name]) => !names.has(name))
    .map(([name, announced]) => ({
      name,
      announced,
      update: isSilenced(previous, now) ? unchanged(announced) : onProxyRemoved(announced, now),
    }));
};

/**
 * Announces the problems of the monitor that have lasted, together: anew when one joins them that concerns something else, and
 * their end when the last one is over.
 */
const diffMonitor = (
  previous: AlertState,
  { app, host, startedAt, problems }: MonitorView,
  now: number,
  policy: AlertPolicy,
): ProxyChange => {
  const announced = previous.proxies[app] ?? initialAnnouncements({ health: createHealth(now) });
  const known = announced.outage?.notification ?? null;
  const isRecent = (at: number): boolean => isWithin(at, now, problemPatienceMs(policy));
  const isAnnounced = ({ kind }: MonitorProblem): boolean =>
    announced.concerns.includes(MONITOR_PROBLEM_KINDS[kind].concerns);
  const current = problems.filter((problem) => isAnnounced(problem) || !isRecent(problem.since));
  const isNew = current.some((problem) => !isAnnounced(problem));
  // A monitor that has just started has not yet seen what the one before it announced.
  const isOver = known !== null && current.length === 0 && !isRecent(startedAt);
  const change = { name: app, announced };
  if (isSilenced(previous, now) || (!isNew && !isOver))
    return { ...change, update: { ...unchanged(announced), announced: known && announced } };
  if (isOver)
    return {
      ...change,
      update: {
        announced: null,
        notifications: activeAlertsOf(announced).map(({ notification }) =>
          solvedNotification(notification, now),
        ),
        resolved: resolveAll(announced, now),
      },
    };
  const notification = problemNotification(
    current,
    { app, host: known?.host ?? host },
    known?.startedAt ?? now,
  );
  const concerns = [...new Set(current.map(({ kind }) => MONITOR_PROBLEM_KINDS[kind].concerns))];
  const changes = { outage: { notification, announcedAt: now }, concerns };
  return { ...change, update: announce(unchanged(announced), notification, changes) };
};

const onProxyRemoved = (announced: AnnouncedState, now: number): ProxyUpdate => ({
  announced: null,
  notifications: activeAlertsOf(announced).map(({ notification }) => removedNotification(notification, now)),
  resolved: resolveAll(announced, now),
});

const toAnnouncedStates = (
  updates: readonly { readonly name: string; readonly update: ProxyUpdate }[],
): AlertState['proxies'] =>
  Object.fromEntries(
    updates.flatMap(({ name, update: { announced } }) => (announced ? [[name, announced]] : [])),
  );

const buildMessages = (
  previous: AlertState,
  state: AlertState,
  notifications: readonly Notification[],
  { now, isQuiet, runId }: Moment,
): { readonly state: AlertState; readonly messages: readonly Message[] } => {
  const { groups, deferred } = selectGroups({
    notifications,
    deferred: state.deferred,
    mayBeDeferred: (notification) => isQuiet && !bypassesQuietHours(notification, previous),
    isDigestDue: !isQuiet && !isSilenced(previous, now),
  });
  const messages = groups.map((group, index) => ({
    id: `${runId}-${state.messageCount + index + 1}`,
    createdAt: now,
    notifications: group,
  }));
  return {
    state: { ...state, deferred, messageCount: state.messageCount + messages.length },
    messages,
  };
};

/** Critical notifications, and what is said of an outage that was announced as critical, are never delayed. */
const bypassesQuietHours = (
  { severity, proxy, startedAt }: Notification,
  { proxies }: AlertState,
): boolean => {
  const known = proxies[proxy]?.outage?.notification;
  return severity === 'critical' || (known?.severity === 'critical' && known.startedAt === startedAt);
};

const isEqual = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
