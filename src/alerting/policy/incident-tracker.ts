import type { Cause } from '../../health/types.ts';
import { isWithin } from '../../lib/duration.ts';
import {
  downNotice,
  flappingNotice,
  gaveUpNotice,
  outageNotice,
  recoveredNotice,
  reminderNotice,
  restartedNotice,
  type Seen,
  steadyNotice,
  warningNotice,
} from './messages.ts';
import type { ActiveAlert, Notice } from './notification.ts';

/** What people have been told of a port, and what they need not be told again. */
export interface Told {
  /** The incident that they know of; `fromMs` of its notice tells it from others. */
  readonly open: Said | null;
  readonly flapping: Said | null;
  /** When it went down, or was restarted, of late. */
  readonly fallsMs: readonly number[];
  /** The last incident of the history that is dealt with, by its `fromMs`. */
  readonly handledMs: number | null;
  readonly gaveUp: boolean;
  /** One that has ended is remembered for a while: it may only have paused. */
  readonly warnings: readonly { readonly cause: Cause; readonly endedMs: number | null }[];
}

export interface Said {
  readonly notice: Notice;
  /** When it was last told: the next reminder counts from then. */
  readonly saidMs: number;
}

export interface TellPolicy {
  /** While a port is down; 0: never. */
  readonly repeatIntervalMs: number;
  /** More than `threshold` within `windowMs` is told once. */
  readonly flapping: { readonly threshold: number; readonly windowMs: number };
}

/** What is to be told of a port, and what will have been told then. */
export interface News {
  readonly told: Told;
  readonly notices: readonly Notice[];
  /** What they knew of, and what is over. */
  readonly ended: readonly ActiveAlert[];
}

/** At the first sight the past is past. */
export const firstSight = ({ health }: Seen): Told => ({
  ...{ open: null, flapping: null, fallsMs: [], gaveUp: false, warnings: [] },
  handledMs: health.history.at(-1)?.fromMs ?? null,
});

/** Compares what was told with what is known: it matters not how often, or how seldom, it is asked. */
export const examine = (told: Told, seen: Seen, atMs: number, policy: TellPolicy): News => {
  const steps = [close, look, calm, open, giveUp, remind, warn];
  const nothing: News = { told, notices: [], ended: [] };
  return steps.reduce((news, step) => step(news, seen, atMs, policy, told), nothing);
};

/** In silence: what is over by its end, or has only just begun to warn, is told no more. */
export const skip = (told: Told, seen: Seen, atMs: number, policy: TellPolicy): Told => ({
  ...warn({ told, notices: [], ended: [] }, seen, atMs, policy, told).told,
  handledMs: seen.health.history.at(-1)?.fromMs ?? told.handledMs,
  gaveUp: hasGivenUp(seen),
});

type Step = (news: News, seen: Seen, atMs: number, policy: TellPolicy, before: Told) => News;

const say = (news: News, notice: Notice, told: Partial<Told>): News => ({
  ...news,
  told: { ...news.told, ...told },
  notices: [...news.notices, notice],
});

const end = ({ notice }: Said, toMs: number): ActiveAlert => ({
  notice: { ...notice, toMs },
  startsAtMs: notice.fromMs,
  endsAtMs: toMs,
});

const hasGivenUp = ({ health: { incident, breaker } }: Seen): boolean =>
  incident !== null && breaker.opened > 0;

/** The incident that they know of is over. */
const close: Step = (news, seen, atMs) => {
  const { open: known } = news.told;
  const { incident, history } = seen.health;
  if (known === null || incident?.atMs === known.notice.fromMs) return news;
  const past = history.findLast(({ fromMs }) => fromMs === known.notice.fromMs) ?? null;
  const ended = [...news.ended, end(known, past?.toMs ?? atMs)];
  return say({ ...news, ended }, recoveredNotice(seen, known.notice, past, atMs), { open: null });
};

/** The incidents that have come and gone since the last time. */
const look: Step = (news, seen, atMs, policy, before) => {
  const { history, state } = seen.health;
  const fresh = history.slice(history.findLastIndex(({ fromMs }) => fromMs === news.told.handledMs) + 1);
  const handledMs = history.at(-1)?.fromMs ?? news.told.handledMs;
  const unknown = fresh.filter(({ fromMs }) => fromMs !== before.open?.notice.fromMs);
  let next: News = { ...news, told: { ...news.told, handledMs } };
  for (const past of unknown) {
    const isRestart = past.restarted && state !== 'stopped';
    if (!past.alerted && !isRestart) continue;
    const notice = past.alerted ? outageNotice(seen, past) : restartedNotice(seen, past);
    next = fall(next, seen, { ...past, atMs }, policy);
    if (next.told.flapping === null) next = say(next, notice, {});
  }
  return next;
};

/** It has come and gone, and for a while it does so no more. */
const calm: Step = (news, seen, atMs, { flapping: { windowMs } }) => {
  const { flapping } = news.told;
  const { incident, history } = seen.health;
  const sinceMs = incident ? incident.atMs : history.at(-1)?.toMs;
  const isPending = incident !== null && !incident.alerted;
  if (!flapping || isPending || (sinceMs !== undefined && isWithin(sinceMs, atMs, windowMs))) return news;
  const over = { ...news, ended: [...news.ended, end(flapping, atMs)] };
  // One that stays down is told as such by the next step.
  if (incident) return { ...over, told: { ...over.told, flapping: null } };
  return say(over, steadyNotice(seen, flapping.notice, atMs, windowMs), { flapping: null });
};

const open: Step = (news, seen, atMs, policy) => {
  const { incident } = seen.health;
  const isToTell = incident !== null && (incident.alerted || hasGivenUp(seen));
  if (!isToTell || news.told.open) return news;
  const counted = fall(news, seen, { fromMs: incident.atMs, cause: incident.cause, atMs }, policy);
  if (counted.told.flapping) return counted;
  const gaveUp = hasGivenUp(seen) && !news.told.gaveUp;
  const notice = gaveUp ? gaveUpNotice(seen, incident) : downNotice(seen, incident);
  return say(counted, notice, { open: { notice, saidMs: atMs }, gaveUp: gaveUp || news.told.gaveUp });
};

const giveUp: Step = (news, seen) => {
  const gaveUp = hasGivenUp(seen);
  if (gaveUp === news.told.gaveUp) return news;
  const { incident } = seen.health;
  return gaveUp && incident
    ? say(news, gaveUpNotice(seen, incident), { gaveUp })
    : { ...news, told: { ...news.told, gaveUp } };
};

/** Counts a fall, each once. With more of them than there may be it is said that it comes and goes, and no more then. */
const fall = (
  news: News,
  seen: Seen,
  { fromMs, cause, atMs }: { fromMs: number; cause: Cause; atMs: number },
  { flapping: { threshold, windowMs } }: TellPolicy,
): News => {
  const { told } = news;
  if (told.fallsMs.includes(fromMs) || !isWithin(fromMs, atMs, windowMs)) return news;
  const recent = told.fallsMs.filter((oneMs) => isWithin(oneMs, atMs, windowMs));
  const fallsMs = [...recent, fromMs].slice(-threshold - 1);
  const counted: News = { ...news, told: { ...told, fallsMs } };
  if (told.flapping || fallsMs.length <= threshold) return counted;
  const notice = flappingNotice(seen, cause, fallsMs, windowMs);
  return say(counted, notice, { flapping: { notice, saidMs: atMs } });
};

const remind: Step = (news, seen, atMs, { repeatIntervalMs }) => {
  const { open: known, flapping } = news.told;
  const said = known ?? flapping;
  if (!said || repeatIntervalMs === 0 || isWithin(said.saidMs, atMs, repeatIntervalMs)) return news;
  const again = { ...said, saidMs: atMs };
  return say(news, reminderNotice(seen, said.notice, atMs), known ? { open: again } : { flapping: again });
};

/** What begins to warn again soon after it has ended is not told again. */
const warn: Step = (news, seen, atMs, { flapping: { windowMs } }) => {
  const { warnings } = seen.health;
  const known = news.told.warnings
    .map(({ cause, endedMs }) => ({ cause, endedMs: warnings.includes(cause) ? null : (endedMs ?? atMs) }))
    .filter(({ endedMs }) => endedMs === null || isWithin(endedMs, atMs, windowMs));
  const fresh = warnings.filter((cause) => !known.some((one) => one.cause === cause));
  const warned = [...known, ...fresh.map((cause) => ({ cause, endedMs: null }))];
  const next: News = { ...news, told: { ...news.told, warnings: warned } };
  return fresh.reduce((all, cause) => say(all, warningNotice(seen, cause, atMs), {}), next);
};
