import { MONITOR_APP } from '../../config/app-names.ts';
import { describeCause, describeReason, explainCause, REMEDY_TEXTS } from '../../health/cause-text.ts';
import { isProxyFault } from '../../health/causes.ts';
import type { Health, Incident, PastIncident } from '../../health/state.ts';
import type { Cause, Remedy } from '../../health/types.ts';
import { npmCommand } from '../../lib/command-lines.ts';
import { formatDuration } from '../../lib/duration.ts';
import { MONITOR_PROBLEM_KINDS, type MonitorProblem } from '../../status/monitor-problem.ts';
import type { AnnouncementPolicy } from './announcement.ts';
import type { Notification } from './notification.ts';
import type { MonitorView, ProxyView } from './proxy-view.ts';

export const downNotification = (
  proxy: ProxyView,
  { startedAt, cause, actions }: Incident,
): Notification => ({
  ...createNotification(proxy, 'down', 'critical', cause, startedAt),
  summary: describeCause(cause, proxy),
  ...adviseFromCheck(proxy, cause),
  actionTaken: describeRemedies(cause, actions, proxy),
});

export const givenUpNotification = (
  proxy: ProxyView,
  { startedAt, cause, actions }: Incident,
): Notification => ({
  ...createNotification(proxy, 'gave_up', 'critical', cause, startedAt),
  summary: `Gave up on the proxy for ${proxy.place}: restarts did not help. It is tried again, after longer and longer pauses`,
  ...adviseFromCheck(proxy, cause),
  actionTaken: describeRemedies(cause, actions, proxy),
});

export const warningNotification = (proxy: ProxyView, cause: Cause, now: number): Notification => ({
  ...createNotification(proxy, 'warning', 'warning', cause, now),
  summary: describeCause(cause, proxy),
  ...advise(proxy, cause, proxy.limits[cause] ?? null),
});

/** Announces the end of an outage. @param past the incident; null when the history no longer has it */
export const recoveredNotification = (
  proxy: ProxyView,
  announced: Notification,
  past: PastIncident | null,
  now: number,
): Notification =>
  resolvedNotification(
    proxy,
    past ?? { ...announced, upstream: null, endedAt: now, actions: [] },
    (lasted) => `${END_TEXTS[proxy.health.state] ?? 'is healthy again'} after ${lasted}`,
  );

/** Announces the beginning and the end of an incident in one notification. */
export const outageNotification = (proxy: ProxyView, past: PastIncident): Notification =>
  resolvedNotification(
    proxy,
    past,
    (lasted) => `was down for ${lasted}, and ${END_TEXTS[proxy.health.state] ?? 'is healthy again'}`,
  );

export const restartedNotification = (proxy: ProxyView, past: PastIncident): Notification => ({
  ...resolvedNotification(proxy, past, (lasted) => `was restarted, and serves again after ${lasted}`),
  kind: 'restarted',
  severity: 'warning',
  nextStep: `Nothing, unless it comes again. The reason may be in its log: ${npmCommand('logs', proxy.name)}`,
});

export const flappingNotification = (
  proxy: ProxyView,
  cause: Cause,
  failedAt: readonly number[],
  { windowMs, afterMs }: AnnouncementPolicy['flapping'],
): Notification => ({
  ...createNotification(proxy, 'flapping', 'warning', cause, Math.min(...failedAt)),
  summary: `Proxy for ${proxy.place} goes down and comes back again and again: ${failedAt.length} times within ${formatDuration(windowMs)}`,
  ...adviseFromCheck(proxy, cause),
  actionTaken: `No more is sent of it until an outage lasts ${formatDuration(afterMs)}, or it has been up for ${formatDuration(windowMs)}`,
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

/** @param announced the first notification of the outage or the flapping */
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
    actionTaken: cause === null ? null : describeRemedies(cause, proxy.health.incident?.actions ?? [], proxy),
  };
};

/** Announces that the alert of a port ends, because the port was taken out of the config. */
export const removedNotification = (announced: Notification, now: number): Notification => ({
  ...announced,
  kind: announced.kind === 'flapping' ? 'steady' : 'recovered',
  summary: `${announced.proxy} is no longer in the config; what was announced of it lasted ${formatDuration(Math.max(0, now - announced.startedAt))}`,
  severity: 'info',
  endedAt: now,
  reason: null,
  actionTaken: null,
  nextStep: null,
});

/** @param problems of the monitor itself; at least one */
export const problemNotification = (
  problems: readonly MonitorProblem[],
  { app, host }: Pick<MonitorView, 'app' | 'host'>,
  startedAt: number,
): Notification => ({
  ...createNotification({ name: app, label: 'steadyport', host }, 'problem', 'warning', null, startedAt),
  summary: problems.map(({ kind }) => MONITOR_PROBLEM_KINDS[kind].headline.replace(/\.$/, '')).join('. '),
  reason: problems.map(({ reason }) => reason).join('. '),
  nextStep: [...new Set(problems.map(({ nextStep }) => nextStep))].join('. '),
});

/** @param announced the notification of the problems that are over */
export const solvedNotification = (announced: Notification, now: number): Notification => ({
  ...createNotification({ ...announced, name: announced.proxy }, 'solved', 'info', null, announced.startedAt),
  endedAt: now,
  summary: `Over after ${formatDuration(Math.max(0, now - announced.startedAt))}. The problem was: ${announced.summary}`,
});

/** Stands for notifications that were too many to be kept. @param summary such as "41 messages could not be delivered" */
export const foldedNotification = (
  summary: string,
  host: string,
  startedAt: number,
  endedAt: number,
): Notification => ({
  kind: 'warning',
  severity: 'warning',
  proxy: MONITOR_APP,
  label: 'steadyport',
  host,
  cause: null,
  startedAt,
  endedAt,
  summary,
  reason: null,
  actionTaken: 'They were folded into this one',
  nextStep: `See what is up now: ${npmCommand('status')}; and what happened: ${npmCommand('logs', 'monitor')}`,
});

const createNotification = (
  { name, label, host }: Pick<ProxyView, 'name' | 'label' | 'host'>,
  kind: Notification['kind'],
  severity: Notification['severity'],
  cause: Cause | null,
  startedAt: number,
): Notification => ({
  kind,
  severity,
  proxy: name,
  label,
  host,
  cause,
  startedAt,
  endedAt: null,
  summary: '',
  reason: null,
  actionTaken: null,
  nextStep: null,
});

type EndedIncident = Pick<PastIncident, 'startedAt' | 'endedAt' | 'upstream' | 'actions'> & {
  readonly cause: Cause | null;
};

const resolvedNotification = (
  proxy: ProxyView,
  { startedAt, endedAt, upstream, cause, actions }: EndedIncident,
  describe: (lasted: string) => string,
): Notification => ({
  ...createNotification(proxy, 'recovered', 'info', cause, startedAt),
  endedAt,
  summary: `Proxy for ${proxy.place} ${describe(formatDuration(Math.max(0, endedAt - startedAt)))}`,
  // The config may have been corrected meanwhile: the incident was about the upstream of its beginning.
  reason: cause === null ? null : describeCause(cause, { ...proxy, upstream: upstream ?? proxy.upstream }),
  actionTaken: cause === null ? null : describeRemedies(cause, actions, { supervisionCure: null }),
});

/** The ends of an incident other than a recovery. */
const END_TEXTS: Readonly<Partial<Record<Health['state'], string>>> = {
  stopped: 'was stopped by the operator',
  waiting: 'waits for its upstream, which may be off',
};

/** Adds the last check's detail only when it is about the cause that is announced. */
const adviseFromCheck = (proxy: ProxyView, cause: Cause): Pick<Notification, 'reason' | 'nextStep'> =>
  advise(proxy, cause, proxy.health.cause === cause ? proxy.detail : null);

const advise = (
  proxy: ProxyView,
  cause: Cause,
  detail: string | null,
): Pick<Notification, 'reason' | 'nextStep'> => {
  const explanation = explainCause(cause, { ...proxy, detail });
  return { reason: describeReason(explanation, detail), nextStep: explanation.next };
};

/** "asked to listen again, killed and restarted 3 times" */
const describeRemedies = (
  cause: Cause,
  remedies: readonly Remedy[],
  { supervisionCure }: Pick<ProxyView, 'supervisionCure'>,
): string | null => {
  if (!isProxyFault(cause) && remedies.length === 0)
    return 'Nothing, as a restart of the proxy would not help';
  const countOf = (remedy: Remedy): number => remedies.filter((applied) => applied === remedy).length;
  const words = [...new Set(remedies)].map(
    (remedy) => REMEDY_TEXTS[remedy] + (countOf(remedy) > 1 ? ` ${countOf(remedy)} times` : ''),
  );
  if (cause === 'cannot_start' && words.length === 0) return 'Nothing, as it cannot be started';
  if (words.length > 0) return `It was ${words.join(', ')}`;
  if (cause !== 'crashed' && cause !== 'crash_loop') return null;
  return supervisionCure === null ? 'PM2 restarts it' : 'Nothing, as PM2 restarts nothing at present';
};
