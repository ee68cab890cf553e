import { DEFAULT_PROJECT } from '../config/app-names.ts';
import { formatDuration } from '../lib/duration.ts';
import { MONITOR_PROBLEM_KINDS, type MonitorProblem } from './monitor-problem.ts';
import {
  type AlertsStatus,
  type DisabledProxy,
  type MonitorStatus,
  PM2_NOT_LISTED,
  PM2_NOT_REACHABLE,
  type ProxyStatus,
  type Snapshot,
} from './snapshot.ts';

/**
 * 0: all are up (an optional proxy may wait, a proxy that is not needed counts as up, and one that is disabled does not count), and
 * the monitor watches them; 1: anything else; 3: no monitor.
 */
export const exitCodeOf = (snapshot: Snapshot): 0 | 1 | 3 => {
  const { monitor, proxies } = snapshot;
  if (monitor === null) return 3;
  return hasPorts(snapshot) && proxies.every(isHealthy) && isSupervising(monitor) ? 0 : 1;
};

/** The project's name. A monitor of an earlier version does not say it, and knew no other than the default one. */
export const projectNameOf = ({ project }: Partial<Pick<Snapshot, 'project'>>): string =>
  project ?? DEFAULT_PROJECT;

/** The ports that are disabled. A monitor of an earlier version reports none. */
export const disabledOf = ({ disabled }: Partial<Pick<Snapshot, 'disabled'>>): readonly DisabledProxy[] =>
  disabled ?? [];

/** True when there is a port, be it disabled. */
export const hasPorts = (snapshot: Snapshot): boolean =>
  snapshot.proxies.length + disabledOf(snapshot).length > 0;

const isSupervising = (monitor: MonitorStatus): boolean => supervisionProblemOf(monitor) === undefined;

/** The gravest problem for which the ports are not watched; undefined when they are. */
export const supervisionProblemOf = (monitor: MonitorStatus): MonitorProblem | undefined =>
  problemsOf(monitor).find(({ kind }) => MONITOR_PROBLEM_KINDS[kind].ports !== 'watched');

/** How long ago the port that was checked the longest ago was seen, while the monitor cannot look; null while it can. */
export const unseenMsOf = ({ monitor, generatedAt }: Snapshot): number | null =>
  monitor !== null && problemsOf(monitor).some(({ kind }) => MONITOR_PROBLEM_KINDS[kind].ports === 'unseen')
    ? Math.max(0, generatedAt - monitor.lastCheckAt)
    : null;

/** The step after which PM2 restarts what dies; null while PM2 does so already. */
export const supervisionCureOf = (
  problems: readonly Pick<MonitorProblem, 'kind' | 'nextStep'>[],
): string | null =>
  problems.find(({ kind }) => kind === 'pm2_lost' || kind === 'pm2_hangs')?.nextStep ?? null;

/** The problems of the monitor itself. A monitor of an earlier version reports none. */
export const problemsOf = ({
  problems,
}: Partial<Pick<MonitorStatus, 'problems'>>): readonly MonitorProblem[] => problems ?? [];

export const isHealthy = ({ state }: ProxyStatus): boolean =>
  state === 'up' || state === 'waiting' || state === 'not_needed';

/** True when no process runs and PM2 does not have the app, or cannot be asked: it need not have crashed, nor ever been started. */
export const isUnmanaged = ({ cause, pm2 }: Pick<ProxyStatus, 'cause' | 'pm2'>): boolean =>
  cause === 'crashed' && (pm2 === PM2_NOT_LISTED || pm2 === PM2_NOT_REACHABLE);

/** The cause in a word for people; null when there is none. */
export const causeWordOf = (proxy: Pick<ProxyStatus, 'cause' | 'pm2' | 'absence'>): string | null =>
  absenceWordOf(proxy) ?? (isUnmanaged(proxy) ? 'not running' : proxy.cause);

/** Why no process of the project serves the port, where that is no fault; null otherwise. */
export const absenceWordOf = ({ absence }: Pick<ProxyStatus, 'absence'>): string | null => {
  if (absence === undefined) return null;
  return absence.kind === 'not_started' ? 'not started' : `served by user ${absence.user}`;
};

/**
 * True when the state is a verdict on what the checks find: the proxy is not starting, and no further check is needed to
 * confirm a failure, or a recovery from one.
 */
export const isDecided = ({ state, failures, failureThreshold }: ProxyStatus): boolean => {
  switch (state) {
    case 'starting':
      return false;
    case 'degraded':
      return failures.consecutive === 0 || failures.consecutive >= failureThreshold;
    case 'down':
      return failures.consecutive > 0;
    default:
      return true;
  }
};

/**
 * The snapshot with only the proxies that match, disabled ones too, what is held back of them, and the log without the lines that are about
 * others alone; undefined when none matches.
 */
export const selectProxies = (snapshot: Snapshot, query: string): Snapshot | undefined => {
  const { monitor, log } = snapshot;
  const proxies = snapshot.proxies.filter((proxy) => matchesQuery(proxy, query));
  const disabled = disabledOf(snapshot).filter((proxy) => matchesQuery(proxy, query));
  const others = snapshot.proxies.filter((proxy) => !proxies.includes(proxy));
  if (proxies.length + disabled.length === 0) return undefined;
  return {
    ...snapshot,
    monitor: monitor && { ...monitor, alerts: selectAlerts(monitor.alerts, proxies) },
    proxies,
    disabled,
    log: log.filter((line) => mentionsAny(line, proxies) || !mentionsAny(line, others)),
  };
};

/** A monitor of an earlier version does not say what it holds back. */
const selectAlerts = (alerts: AlertsStatus, proxies: readonly ProxyStatus[]): AlertsStatus => ({
  ...alerts,
  heldBack: (alerts.heldBack ?? []).filter(({ proxy }) => proxies.some(({ name }) => name === proxy)),
});

/** True when a line of the log names one of the proxies: by its app, as "port 6274" or as "socket app.sock". */
const mentionsAny = (line: string, proxies: readonly ProxyStatus[]): boolean =>
  proxies.some(({ name, id, port }) =>
    [name, `${port === null ? 'socket' : 'port'} ${id}`].some((text) => hasWords(line, text)),
  );

/** True when `text` is in the line, and no part of a longer name. */
const hasWords = (line: string, text: string): boolean =>
  new RegExp(`(?<![\\w.-])${text.replaceAll('.', '\\.')}(?![\\w-]|\\.\\w)`).test(line);

/** True when the query is the proxy's PM2 app, its port or socket, or its label, in any case. */
export const matchesQuery = (
  { name, id, label }: Pick<ProxyStatus, 'name' | 'id' | 'label'>,
  query: string,
): boolean => [name, id, label].some((candidate) => candidate.toLowerCase() === query.toLowerCase());

/** The status in one line: "devbox: All 3 ports are up.", or how many are not, and why; after what is wrong with the monitor. */
export const headlineOf = (snapshot: Snapshot): string => {
  const message = [...monitorMessagesOf(snapshot), ...portMessagesOf(snapshot)].join(' ');
  const project = projectNameOf(snapshot);
  // A monitor of an earlier version does not name its host.
  const subject = [snapshot.host, project === DEFAULT_PROJECT ? '' : `project ${project}`].filter(
    (part) => part,
  );
  return subject.length > 0 ? `${subject.join(', ')}: ${message}` : message;
};

const portMessagesOf = (snapshot: Snapshot): readonly string[] => {
  const { proxies } = snapshot;
  const unseenMs = unseenMsOf(snapshot);
  const seen = unseenMs === null ? '' : ` when last seen ${formatDuration(unseenMs)} ago`;
  const subject = (count: number): string => subjectOf(count, proxies.length, unseenMs !== null);
  const disabled = disabledOf(snapshot);
  const waiting = proxies.filter(({ state }) => state === 'waiting');
  const unhealthy = proxies.filter((proxy) => !isHealthy(proxy));
  const upCount = proxies.length - waiting.length - unhealthy.length;
  const reasons = unhealthy.map((proxy) => `${proxy.id} ${causeWordOf(proxy) ?? proxy.state}`).join(', ');
  const word = unhealthy.every(({ state }) => state === 'down') ? 'down' : 'not up';
  const waitingIds = waiting.map(({ id }) => id).join(', ');
  return [
    ...(hasPorts(snapshot) ? [] : ['There is no port.']),
    ...(unhealthy.length > 0 ? [`${subject(unhealthy.length)} ${word}${seen}: ${reasons}.`] : []),
    ...(unhealthy.length === 0 && upCount > 0 ? [`${subject(upCount)} up${seen}.`] : []),
    ...(waiting.length > 0 ? [`Waiting for an optional upstream: ${waitingIds}.`] : []),
    ...(disabled.length > 0 ? [`Disabled: ${disabled.map(({ id }) => id).join(', ')}.`] : []),
  ];
};

/** "The port is", "Both ports are", "All 3 ports are", "1 of 2 ports is"; of the past with "was" and "were" */
const subjectOf = (count: number, total: number, isPast: boolean): string => {
  const [one, many] = isPast ? ['was', 'were'] : ['is', 'are'];
  if (total === 1) return `The port ${one}`;
  if (count < total) return `${count} of ${total} ports ${plural(count, one, many)}`;
  return `${total === 2 ? 'Both' : `All ${total}`} ports ${many}`;
};

const monitorMessagesOf = ({ monitor, monitorProblem }: Snapshot): readonly string[] => {
  if (monitorProblem) return ['The monitor does not answer.'];
  if (monitor === null) return ['No monitor.'];
  return problemsOf(monitor).map(({ kind }) => MONITOR_PROBLEM_KINDS[kind].headline);
};

/** @param many the text for none and for several */
export const plural = (count: number, singular: string, many: string): string =>
  count === 1 ? singular : many;
