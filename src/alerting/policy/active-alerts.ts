import type * as v from 'valibot';
import { isAtLeast, type Severity } from '../../kinds/channels/severity.ts';
import { fields, listOf, recordOf, text } from '../../lib/stored-fields.ts';
import { type AnnouncedState, announcedStateSchema, toResolvedAlert } from './announcement.ts';
import { type ActiveAlert, activeAlertSchema } from './notification.ts';

export const activeAlertStateSchema = fields({
  /** By the PM2 app's name. */
  proxies: recordOf(announcedStateSchema, text),
  /** The alerts that ended, each with the channels that have not accepted its end yet. */
  resolved: listOf(fields({ alert: activeAlertSchema, pendingFor: listOf(text) })),
});

/** The alerts for state channels: the announced ones that are active, and those that ended. */
export type ActiveAlertState = v.InferOutput<typeof activeAlertStateSchema>;

/** The number of ended alerts that are kept for channels that do not accept them. */
const MAX_RESOLVED = 200;

/** The announced alerts that are active and at least of this severity, and those that ended since the channel last accepted a list. */
export const alertsFor = (
  { proxies, resolved }: ActiveAlertState,
  channel: string,
  minSeverity: Severity = 'info',
): readonly ActiveAlert[] => {
  const active = Object.values(proxies)
    .flatMap(activeAlertsOf)
    .filter(({ notification }) => isAtLeast(notification.severity, minSeverity));
  const pending = resolved.filter(({ pendingFor }) => pendingFor.includes(channel)).map(({ alert }) => alert);
  // An alert that has begun again is sent without its previous end, which would end it.
  return [...active, ...pending.filter((ended) => !active.some((alert) => isSameAlert(alert, ended)))];
};

/** Removes the ends that the channel has accepted. */
export const acknowledge = <State extends ActiveAlertState>(
  state: State,
  channel: string,
  alerts: readonly ActiveAlert[],
): State => {
  if (state.resolved.length === 0) return state;
  const accepted = new Set(alerts.map((alert) => JSON.stringify(alert)));
  const resolved = state.resolved
    .map(({ alert, pendingFor }) => ({
      alert,
      pendingFor: accepted.has(JSON.stringify(alert))
        ? pendingFor.filter((name) => name !== channel)
        : pendingFor,
    }))
    .filter(({ pendingFor }) => pendingFor.length > 0);
  return { ...state, resolved };
};

/** Adds ends that every state channel is to get, and forgets those of channels that are no longer configured. */
export const addResolved = (
  resolved: ActiveAlertState['resolved'],
  newlyResolved: readonly ActiveAlert[],
  stateChannels: readonly string[],
): ActiveAlertState['resolved'] =>
  [...resolved, ...newlyResolved.map((alert) => ({ alert, pendingFor: stateChannels }))]
    .map(({ alert, pendingFor }) => ({
      alert,
      pendingFor: pendingFor.filter((name) => stateChannels.includes(name)),
    }))
    .filter(({ pendingFor }) => pendingFor.length > 0)
    .slice(-MAX_RESOLVED);

/** The ends of all announced alerts of a port. */
export const resolveAll = (announced: AnnouncedState, endedAt: number): readonly ActiveAlert[] =>
  activeAlertsOf(announced).map(({ notification }) => toResolvedAlert(notification, endedAt));

export const activeAlertsOf = ({ outage, flapping }: AnnouncedState): readonly ActiveAlert[] =>
  [outage, flapping]
    .filter((announcement) => announcement !== null)
    .map(({ notification }) => ({ notification, startsAt: notification.startedAt, endsAt: null }));

const isSameAlert = (a: ActiveAlert, b: ActiveAlert): boolean =>
  a.notification.proxy === b.notification.proxy && a.notification.kind === b.notification.kind;
