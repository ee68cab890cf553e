import { isUpstreamFault } from '../../health/causes.ts';
import type { Incident } from '../../health/state.ts';
import type { Cause } from '../../health/types.ts';
import { isWithin } from '../../lib/duration.ts';
import type { HeldBack } from '../../status/snapshot.ts';
import type { AnnouncedState, AnnouncementPolicy } from './announcement.ts';
import type { ProxyView } from './proxy-view.ts';

/** The time that an outage of this cause must have lasted before it is announced, in milliseconds. */
export const patienceMs = (
  proxy: Pick<ProxyView, 'afterMs'>,
  cause: Cause,
  { afterMs, ownFaultAfterMs, minAgeMs }: AnnouncementPolicy,
): number => {
  const outageMs = proxy.afterMs ?? afterMs;
  const causeMs = isUpstreamFault(cause) ? outageMs : Math.min(outageMs, ownFaultAfterMs);
  return Math.max(causeMs, minAgeMs);
};

/** The time that a problem of the monitor itself must have lasted before it is announced, in milliseconds. */
export const problemPatienceMs = ({ afterMs, ownFaultAfterMs, minAgeMs }: AnnouncementPolicy): number =>
  Math.max(Math.min(afterMs, ownFaultAfterMs), minAgeMs);

/** True while restarts of the port are given up: they did not help, and come after longer and longer pauses. */
export const hasGivenUp = ({ health: { incident, breaker } }: ProxyView): boolean =>
  incident !== null && breaker.openCount > 0;

/**
 * The time that this incident must have lasted before it is announced, in milliseconds; null while it is no alert.
 * @param isFlapping only a long outage of a port that comes and goes is announced
 */
const waitMs = (
  proxy: ProxyView,
  { cause, alerted }: Incident,
  isFlapping: boolean,
  policy: AnnouncementPolicy,
): number | null => {
  if (hasGivenUp(proxy)) return policy.minAgeMs;
  if (!alerted) return null;
  return Math.max(patienceMs(proxy, cause, policy), isFlapping ? policy.flapping.afterMs : 0);
};

/**
 * True when people are to hear of the incident now: this run of the monitor has seen it, and checks have seen it for long
 * enough. Time in which no monitor ran counts only between two checks that fail.
 */
export const isNews = (
  proxy: ProxyView,
  incident: Incident,
  isFlapping: boolean,
  now: number,
  policy: AnnouncementPolicy,
): boolean => {
  const { startedAt, lastFailedAt } = incident;
  const ms = waitMs(proxy, incident, isFlapping, policy);
  return ms !== null && proxy.hasFailed && !isWithin(startedAt, lastFailedAt ?? now, ms);
};

/** The outage or the flapping of a port that is held back; null when nothing is. */
export const heldBackOf = (
  { outage, flapping }: Pick<AnnouncedState, 'outage' | 'flapping'>,
  proxy: ProxyView,
  now: number,
  policy: AnnouncementPolicy,
): Omit<HeldBack, 'channels'> | null => {
  const { incident } = proxy.health;
  const ms = incident && outage === null ? waitMs(proxy, incident, flapping !== null, policy) : null;
  const reason = flapping === null ? 'patience' : 'flapping';
  if (incident && ms !== null && isWithin(incident.startedAt, now, ms))
    return { proxy: proxy.name, reason, since: incident.startedAt, dueAt: incident.startedAt + ms };
  return flapping && outage === null
    ? { proxy: proxy.name, reason, since: flapping.notification.startedAt, dueAt: null }
    : null;
};
