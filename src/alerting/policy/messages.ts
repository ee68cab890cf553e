import { MONITOR_APP } from '../../config/app-names.ts';
import { adviceFor, describeCause } from '../../health/cause-text.ts';
import { isProxyFault } from '../../health/causes.ts';
import type { Health, Incident, PastIncident } from '../../health/state.ts';
import type { Cause, Remedy } from '../../health/types.ts';
import { formatDuration } from '../../lib/duration.ts';
import type { Notification } from './notification.ts';

/** What is known of a port now. */
export interface ProxyView {
  /** The PM2 app. */
  readonly name: string;
  readonly label: string;
  /** "port 6274". */
  readonly place: string;
  readonly upstream: string;
  readonly health: Health;
  /** What the failed check said, or how the process ended. */
  readonly detail: string | null;
  /** Who has the port, when it is not the proxy. */
  readonly portOwner: string | null;
  /** What is over a limit that only warns, in words. */
  readonly limits: Readonly<Partial<Record<Cause, string>>>;
}

export const downNotification = (
  proxy: ProxyView,
  { startedAt, cause, actions }: Incident,
): Notification => ({
  ...createNotification(proxy, 'down', 'critical', cause, startedAt),
  summary: describeCause(cause, proxy),
  ...adviseFromCheck(proxy, cause),
  actionTaken: describeRemedies(cause, actions),
});

export const givenUpNotification = (
  proxy: ProxyView,
  { startedAt, cause, actions }: Incident,
): Notification => ({
  ...createNotification(proxy, 'gave_up', 'critical', cause, startedAt),
  summary: `Gave up on the proxy for ${proxy.place}: restarts did not help. It is tried again, ever more seldom`,
  ...adviseFromCheck(proxy, cause),
  actionTaken: describeRemedies(cause, actions),
});

export const warningNotification = (proxy: ProxyView, cause: Cause, now: number): Notification => ({
  ...createNotification(proxy, 'warning', 'warning', cause, now),
  summary: describeCause(cause, proxy),
  ...advise(proxy, cause, proxy.limits[cause] ?? null),
});

/** The end of what was told. @param past null when nothing is remembered of it */
export const recoveredNotification = (
  proxy: ProxyView,
  announced: Notification,
  past: PastIncident | null,
  now: number,
): Notification =>
  resolvedNotification(
    proxy,
    past ?? { startedAt: announced.startedAt, endedAt: now, cause: announced.cause, actions: [] },
    (lasted) => `${END_TEXTS[proxy.health.state] ?? 'is healthy again'} after ${lasted}`,
  );

/** The begin and the end of an incident in one. */
export const outageNotification = (proxy: ProxyView, past: PastIncident): Notification =>
  resolvedNotification(
    proxy,
    past,
    (lasted) => `was down for ${lasted}, and ${END_TEXTS[proxy.health.state] ?? 'is healthy again'}`,
  );

export const restartedNotification = (proxy: ProxyView, past: PastIncident): Notification => ({
  ...resolvedNotification(proxy, past, (lasted) => `was restarted, and serves again after ${lasted}`),
  ...({ kind: 'restarted', severity: 'warning' } as const),
  nextStep: `Nothing, unless it comes again. Why it happened: pm2 logs ${proxy.name}`,
});

export const flappingNotification = (
  proxy: ProxyView,
  cause: Cause,
  failedAt: readonly number[],
  windowMs: number,
): Notification => ({
  ...createNotification(proxy, 'flapping', 'warning', cause, Math.min(...failedAt)),
  summary: `Proxy for ${proxy.place} goes down and comes back again and again: ${failedAt.length} times within ${formatDuration(windowMs)}`,
  ...adviseFromCheck(proxy, cause),
  actionTaken: `No more is said of it until it has been the same for ${formatDuration(windowMs)}`,
});

export const steadyNotification = (
  proxy: ProxyView,
  announced: Notification,
  now: number,
  windowMs: number,
): Notification => ({
  ...createNotification(proxy, 'steady', 'info', announced.cause, announced.startedAt),
  endedAt: now,
  summary: `Proxy for ${proxy.place} ${END_TEXTS[proxy.health.state] ?? `has been up for ${formatDuration(windowMs)}`}, and no longer comes and goes`,
});

/** @param announced the first notice of what goes on */
export const reminderNotification = (
  proxy: ProxyView,
  announced: Notification,
  now: number,
): Notification => {
  const isDown = announced.kind !== 'flapping';
  const cause = proxy.health.incident?.cause ?? announced.cause;
  const summary = isDown && cause !== null ? describeCause(cause, proxy) : announced.summary;
  return {
    ...createNotification(proxy, 'reminder', isDown ? 'critical' : 'warning', cause, announced.startedAt),
    summary: `Still, after ${formatDuration(Math.max(0, now - announced.startedAt))}: ${summary}`,
    ...(cause === null ? {} : adviseFromCheck(proxy, cause)),
    actionTaken: cause === null ? null : describeRemedies(cause, proxy.health.incident?.actions ?? []),
  };
};

/** The port is no longer there to be told of: the end of what was told of it. */
export const removedNotification = (announced: Notification, now: number): Notification => ({
  ...{ ...announced, severity: 'info', endedAt: now, reason: null, actionTaken: null, nextStep: null },
  kind: announced.kind === 'flapping' ? 'steady' : 'recovered',
  summary: `${announced.proxy} is no longer in the config; what was told of it lasted ${formatDuration(Math.max(0, now - announced.startedAt))}`,
});

/** In the place of what was too much to be kept. @param summary such as "41 messages could not be delivered" */
export const foldedNotification = (summary: string, startedAt: number, endedAt: number): Notification => ({
  ...{ kind: 'warning', severity: 'warning', proxy: MONITOR_APP, label: 'steadyport', cause: null },
  ...{ startedAt, endedAt, summary, reason: null, actionTaken: 'They were folded into this one' },
  nextStep: 'See what is up now: npm run status; and what happened: npm run logs -- monitor',
});

const createNotification = (
  { name, label }: ProxyView,
  kind: Notification['kind'],
  severity: Notification['severity'],
  cause: Cause | null,
  startedAt: number,
): Notification => ({
  ...{ kind, severity, proxy: name, label, cause, startedAt },
  ...{ endedAt: null, summary: '', reason: null, actionTaken: null, nextStep: null },
});

const resolvedNotification = (
  proxy: ProxyView,
  {
    startedAt,
    endedAt,
    cause,
    actions,
  }: Pick<PastIncident, 'startedAt' | 'endedAt' | 'actions'> & { cause: Cause | null },
  describe: (lasted: string) => string,
): Notification => ({
  ...createNotification(proxy, 'recovered', 'info', cause, startedAt),
  endedAt,
  summary: `Proxy for ${proxy.place} ${describe(formatDuration(Math.max(0, endedAt - startedAt)))}`,
  reason: cause === null ? null : `What was seen: ${describeCause(cause, proxy)}`,
  actionTaken: cause === null ? null : describeRemedies(cause, actions),
});

/** Where an incident ends otherwise than by a recovery. */
const END_TEXTS: Readonly<Partial<Record<Health['state'], string>>> = {
  stopped: 'was stopped by the operator',
  waiting: 'waits for its upstream, which may be off',
};

/** What the last check said is of interest while its cause is the one that is told. */
const adviseFromCheck = (proxy: ProxyView, cause: Cause): Pick<Notification, 'reason' | 'nextStep'> =>
  advise(proxy, cause, proxy.health.cause === cause ? proxy.detail : null);

/** What the check said is not said again in what to do. */
const advise = (
  proxy: ProxyView,
  cause: Cause,
  reason: string | null,
): Pick<Notification, 'reason' | 'nextStep'> => {
  const text = adviceFor(cause, { ...proxy, detail: reason });
  if (reason === null || !text.startsWith(reason)) return { reason, nextStep: text };
  const rest = text.slice(reason.length).replace(/^[.;]\s*/, '');
  return { reason, nextStep: rest.charAt(0).toUpperCase() + rest.slice(1) };
};

const REMEDY_TEXTS: Readonly<Record<Remedy, string>> = {
  start: 'started',
  relisten: 'asked to listen again',
  restart: 'restarted',
  force_restart: 'killed and restarted',
  kill: 'killed',
};

/** "asked to listen again, killed and restarted 3 times" */
const describeRemedies = (cause: Cause, remedies: readonly Remedy[]): string | null => {
  if (!isProxyFault(cause) && remedies.length === 0) return 'Nothing: a restart of the proxy would not help';
  const countOf = (remedy: Remedy): number => remedies.filter((applied) => applied === remedy).length;
  const words = [...new Set(remedies)].map(
    (remedy) => REMEDY_TEXTS[remedy] + (countOf(remedy) > 1 ? ` ${countOf(remedy)} times` : ''),
  );
  if (words.length > 0) return `It was ${words.join(', ')}`;
  return cause === 'crashed' || cause === 'crash_loop' ? 'PM2 restarts it' : null;
};
