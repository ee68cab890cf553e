import { isWithin } from '../../lib/duration.ts';
import { examine, firstSight, type News, skip, type TellPolicy, type Told } from './incident-tracker.ts';
import { foldedNotice, goneNotice, type Seen } from './messages.ts';
import type { ActiveAlert, Message, Notice } from './notification.ts';

/** What has been said; kept over restarts of the monitor. */
export interface Alerting {
  /** By the PM2 app. */
  readonly ports: Readonly<Record<string, Told>>;
  /** Since when something is to be said; null when nothing is. */
  readonly groupSinceMs: number | null;
  /** What waits for the end of the quiet hours; `more` could not be kept. */
  readonly kept: { readonly notices: readonly Notice[]; readonly more: number };
  /** 0: none. */
  readonly silenceEndsAt: number;
  /** What is over, and the channels that have not taken that yet. */
  readonly ended: readonly { readonly alert: ActiveAlert; readonly owedTo: readonly string[] }[];
  /** How many messages there were. */
  readonly count: number;
}

export interface AlertPolicy extends TellPolicy {
  /** What comes within so long of the first is one message; 0: each at once. */
  readonly groupWaitMs: number;
  /** The channels that are told what goes on (see {@link ActiveAlert}). */
  readonly levels: readonly string[];
}

export interface Moment {
  readonly atMs: number;
  /** Within the quiet hours. */
  readonly isQuiet: boolean;
  /** Of this run of the monitor, and of no other: it makes the ids of its messages unlike all others. */
  readonly run: string;
}

export const NOTHING_SAID: Alerting = {
  ...{ ports: {}, groupSinceMs: null, silenceEndsAt: 0, ended: [], count: 0 },
  kept: { notices: [], more: 0 },
};

/** So many are kept for the digest, and so many that are over for a channel that does not take them. */
const MOST_KEPT = 200;

/**
 * What has been said, and what is known now → what is to be said. It compares levels: what was not said before the
 * monitor was killed is said by the next one. Nothing that is new is the very same object.
 */
export const observe = (
  before: Alerting,
  seen: readonly Seen[],
  now: Moment,
  policy: AlertPolicy,
): { readonly state: Alerting; readonly messages: readonly Message[] } => {
  const isSilent = before.silenceEndsAt > now.atMs;
  const ports = seen.map((one) => {
    const told = before.ports[one.name] ?? firstSight(one);
    const news = isSilent
      ? { told: skip(told, one, now.atMs, policy), notices: [], ended: [] }
      : examine(told, one, now.atMs, policy);
    return { name: one.name, told, news };
  });
  const gone = Object.entries(before.ports)
    .filter(([name]) => !seen.some((one) => one.name === name))
    .map(([name, told]) => ({ name, told, news: isSilent ? keep(told) : farewell(told, now.atMs) }));
  const all = [...ports, ...gone];
  const hasNews = all.some(({ news }) => news.notices.length > 0);
  const groupSinceMs = hasNews ? (before.groupSinceMs ?? now.atMs) : null;
  const isDue = groupSinceMs !== null && !isWithin(groupSinceMs, now.atMs, policy.groupWaitMs);
  // What has something to say stays as it was until that is said.
  const next = all.map((port) =>
    isDue || port.news.notices.length === 0 ? port : { ...port, news: keep(port.told) },
  );
  const state: Alerting = {
    ...before,
    ports: Object.fromEntries(next.flatMap(({ name, news: { told } }) => (told ? [[name, told]] : []))),
    groupSinceMs: isDue ? null : groupSinceMs,
    ended: owe(
      before,
      next.flatMap(({ news }) => news.ended),
      policy,
    ),
  };
  const result = speak(
    state,
    next.flatMap(({ news }) => news.notices),
    now,
    // Of the end of what they know of, they are to hear at once.
    (notice) =>
      !now.isQuiet ||
      notice.severity === 'critical' ||
      before.ports[notice.proxy]?.open?.notice.fromMs === notice.fromMs,
    isSilent,
  );
  return isSame(before, result.state) ? { state: before, messages: [] } : result;
};

/** Nothing is sent until then. At its end what is still down, and what has ended of what was told before, is said. */
export const silence = (state: Alerting, untilMs: number): Alerting => ({
  ...state,
  silenceEndsAt: untilMs,
});

/** What goes on and people know of, and what has ended since the channel last took such a list. */
export const activeFor = ({ ports, ended }: Alerting, channel: string): readonly ActiveAlert[] => {
  const current = Object.values(ports).flatMap(({ open, flapping }) =>
    [open, flapping].flatMap((said) =>
      said ? [{ notice: said.notice, startsAtMs: said.notice.fromMs, endsAtMs: null }] : [],
    ),
  );
  const owed = ended.filter(({ owedTo }) => owedTo.includes(channel)).map(({ alert }) => alert);
  // Of one that has begun again, the end of the time before is of no interest.
  const isOver = ({ notice }: ActiveAlert): boolean =>
    !current.some((one) => one.notice.proxy === notice.proxy && one.notice.kind === notice.kind);
  return [...current, ...owed.filter(isOver)];
};

/** The channel has taken the list: what was over in it is no longer owed to it. */
export const taken = (state: Alerting, channel: string, alerts: readonly ActiveAlert[]): Alerting => {
  const isIn = (alert: ActiveAlert): boolean => alerts.some((one) => isSame(one, alert));
  const ended = state.ended
    .map(({ alert, owedTo }) => ({
      alert,
      owedTo: isIn(alert) ? owedTo.filter((name) => name !== channel) : owedTo,
    }))
    .filter(({ owedTo }) => owedTo.length > 0);
  return ended.length === 0 && state.ended.length === 0 ? state : { ...state, ended };
};

type Port = Omit<News, 'told'> & {
  /** Null: it is forgotten. */
  readonly told: Told | null;
};

const keep = (told: Told): Port => ({ told, notices: [], ended: [] });

/** It was taken out of the config. */
const farewell = ({ open, flapping }: Told, atMs: number): Port => {
  const known = [open, flapping].flatMap((said) => (said ? [said.notice] : []));
  return {
    told: null,
    notices: known.map((notice) => goneNotice(notice, atMs)),
    ended: known.map((notice) => ({
      notice: { ...notice, toMs: atMs },
      startsAtMs: notice.fromMs,
      endsAtMs: atMs,
    })),
  };
};

const owe = (
  { ended }: Alerting,
  fresh: readonly ActiveAlert[],
  { levels }: AlertPolicy,
): Alerting['ended'] =>
  [...ended, ...fresh.map((alert) => ({ alert, owedTo: levels }))]
    .map(({ alert, owedTo }) => ({ alert, owedTo: owedTo.filter((name) => levels.includes(name)) }))
    .filter(({ owedTo }) => owedTo.length > 0)
    .slice(-MOST_KEPT);

/** What does not pass in quiet hours is kept for one digest. */
const speak = (
  state: Alerting,
  notices: readonly Notice[],
  now: Moment,
  passes: (notice: Notice) => boolean,
  isSilent: boolean,
) => {
  const kept = [...state.kept.notices, ...notices.filter((notice) => !passes(notice))];
  const more = state.kept.more + Math.max(0, kept.length - MOST_KEPT);
  const isDigest = kept.length > 0 && !now.isQuiet && !isSilent;
  const groups = [
    isDigest ? [...foldedKept(kept, more), ...kept.slice(-MOST_KEPT)] : [],
    notices.filter(passes),
  ].filter((group) => group.length > 0);
  const messages = groups.map((group, at) => ({
    id: `${now.run}-${state.count + at + 1}`,
    atMs: now.atMs,
    notices: group,
  }));
  const left = isDigest ? NOTHING_SAID.kept : { notices: kept.slice(-MOST_KEPT), more };
  return { state: { ...state, kept: left, count: state.count + messages.length }, messages };
};

const foldedKept = (kept: readonly Notice[], more: number): readonly Notice[] => {
  const times = kept.map(({ fromMs, toMs }) => toMs ?? fromMs);
  const [fromMs, toMs] = [Math.min(...times), Math.max(...times)];
  const what = `In the quiet hours there was more than is kept: ${more} earlier notices are left out`;
  return more === 0 ? [] : [foldedNotice(what, fromMs, toMs)];
};

const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
