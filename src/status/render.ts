import { monitorAppOf } from '../config/app-names.ts';
import { describeReason, explainCause } from '../health/cause-text.ts';
import { isListenFault } from '../health/causes.ts';
import type { ProxyState } from '../health/state.ts';
import { pm2Command, statusCommandOf } from '../lib/command-lines.ts';
import { formatDuration } from '../lib/duration.ts';
import { MONITOR_PROBLEM_KINDS } from './monitor-problem.ts';
import { describeRefusals } from './refusals.ts';
import {
  type Absence,
  type AlertsStatus,
  type DisabledProxy,
  type HeldBack,
  type MonitorStatus,
  PM2_NOT_LISTED,
  type ProxyStatus,
  type Snapshot,
} from './snapshot.ts';
import {
  absenceWordOf,
  causeWordOf,
  disabledOf,
  headlineOf,
  isHealthy,
  isUnmanaged,
  plural,
  problemsOf,
  projectNameOf,
  supervisionCureOf,
  unseenMsOf,
} from './summary.ts';
import { truncate, wrap, wrapLine } from './text-layout.ts';

/** Functions that colour text. Without colours they return it unchanged. */
export interface TextStyle {
  success(text: string): string;
  error(text: string): string;
  dim(text: string): string;
}

/**
 * The status as a text for people. No line is longer than `columns`: longer ones are wrapped. Only lines of the log, and words
 * that are longer, are cut.
 */
export const renderStatus = (snapshot: Snapshot, columns: number, style: TextStyle, now: number): string => {
  const { monitor, proxies, log } = snapshot;
  const fit = (line: string): string[] => wrapLine(line, columns).map((part) => truncate(part, columns));
  const blocks = [
    fit(headlineOf(snapshot)),
    ...proxies.map((proxy) =>
      renderProxy(proxy, snapshot, now)
        .flatMap(fit)
        .map((line, row) => styleLine(line, row, proxy, style)),
    ),
    disabledOf(snapshot).map(renderDisabled).flatMap(fit),
    (monitor
      ? [
          renderMonitor(monitorAppOf(projectNameOf(snapshot)), monitor, now),
          ...renderProblems(monitor),
          ...renderAlerts(monitor.alerts, now),
        ]
      : renderMonitorProblem(snapshot)
    ).flatMap(fit),
    log.length > 0
      ? [...fit('Last lines of the log:'), ...log.map((line) => style.dim(truncate(`  ${line}`, columns)))]
      : [],
    renderOtherProjects(snapshot).flatMap(fit),
  ];
  return `${blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
};

/**
 * The status in short, for somebody who has just started the ports: a line for each, with the address to open, or with what
 * is wrong and what to do. Lines are wrapped at `columns` and none is cut. The monitor has a line for the address that it serves,
 * or when it does not answer, and one for each of its problems.
 */
export const renderBrief = (snapshot: Snapshot, columns: number, style: TextStyle, now: number): string => {
  const monitorLines = (
    snapshot.monitor === null
      ? renderMonitorProblem(snapshot)
      : [
          ...renderMonitorAddress(projectNameOf(snapshot), snapshot.monitor),
          ...renderProblems(snapshot.monitor),
        ]
  ).flatMap((line) => wrapLine(line, columns));
  const disabledLines = disabledOf(snapshot)
    .map(renderDisabled)
    .flatMap((line) => wrapLine(line, columns));
  const others = [...disabledLines, ...monitorLines].map((line) => `${line}\n`);
  return `${renderBriefProxies(snapshot, columns, style, now)}${others.join('')}`;
};

/** The lines of the proxies alone; empty when there is none. */
export const renderBriefProxies = (
  { proxies, monitor }: Pick<Snapshot, 'proxies' | 'monitor'>,
  columns: number,
  style: TextStyle,
  now: number,
): string =>
  proxies
    .flatMap((proxy) =>
      renderBriefProxy(proxy, monitor, columns, now).map((line, row) => styleLine(line, row, proxy, style)),
    )
    .map((line) => `${line}\n`)
    .join('');

const renderDisabled = ({ id, label }: DisabledProxy): string => `- ${id}  ${label}  disabled in the config`;

const renderBriefProxy = (
  proxy: ProxyStatus,
  monitor: MonitorStatus | null,
  columns: number,
  now: number,
): string[] => {
  const { state, id, label } = proxy;
  const explanation = explainState(proxy, monitor, now);
  const parts = [
    state === 'up' ? undefined : describeState(proxy),
    isHealthy(proxy) && state !== 'waiting' ? formatAddressToOpen(proxy) : undefined,
    explanation,
  ];
  const text = parts.filter((part) => part !== undefined).join(': ');
  return [
    ...wrap(text, columns, `${STATE_SYMBOLS[state]} ${id}  ${label}  `, '      '),
    ...describeRefusals(proxy, now).flatMap((refusal) => wrap(refusal, columns, '    ! ', '      ')),
  ];
};

const STATE_SYMBOLS: Readonly<Record<ProxyState, string>> = {
  up: '✓',
  degraded: '!',
  down: '✗',
  starting: '…',
  stopped: '■',
  waiting: '○',
  not_needed: '✓',
};

const STATE_LABELS: Readonly<Record<ProxyState, string>> = {
  up: 'up',
  degraded: 'degraded',
  down: 'DOWN',
  starting: 'starting',
  stopped: 'stopped by the operator',
  waiting: 'waiting for its upstream',
  not_needed: 'not needed: the upstream listens on every address itself',
};

const styleLine = (line: string, row: number, proxy: ProxyStatus, style: TextStyle): string => {
  if (row > 0) return line;
  return isHealthy(proxy) ? style.success(line) : style.error(line);
};

const renderProxy = (proxy: ProxyStatus, snapshot: Snapshot, now: number): string[] => {
  const { restarts } = proxy;
  const isWatched = snapshot.monitor !== null;
  const lastIncident = proxy.incidents.at(-1);
  return [
    renderState(proxy) + renderAge(proxy, snapshot, now),
    `    ${formatListen(proxy)} → ${proxy.upstream}`,
    `    ${proxy.name}  pid ${proxy.pid ?? '-'}  PM2 ${proxy.pm2}${formatEngine(proxy)}  restarts: ${restarts.crash} crash, ${restarts.forced} forced`,
    `    ${formatFailures(proxy)}  connections ${formatConnections(proxy)}`,
    renderTimes(proxy),
    ...renderUsage(proxy, isWatched),
    ...(lastIncident ? [renderIncident(lastIncident, isHealthy(proxy), now)] : []),
    ...renderUrls(proxy),
    ...renderListenProblem(proxy),
    ...describeRefusals(proxy, now).map((text) => `    ! ${text}`),
    ...renderExplanation(proxy, snapshot.monitor, now),
  ];
};

const renderState = (proxy: ProxyStatus): string =>
  `${STATE_SYMBOLS[proxy.state]} ${proxy.id}  ${proxy.label}  ${describeState(proxy)}`;

/** Without a monitor a single check shows what is, and not since when; one that cannot look knows neither. */
const renderAge = ({ since }: ProxyStatus, snapshot: Snapshot, now: number): string => {
  if (snapshot.monitor === null) return '';
  if (unseenMsOf(snapshot) !== null) return ' when last seen';
  return ` for ${formatDuration(Math.max(0, now - since))}`;
};

/** Sockets for IPv6 are bound IPv6-only, which who wrote `[::]` may not expect. */
const formatListen = ({ listen }: ProxyStatus): string => {
  const isIpv6Only = listen.length > 0 && listen.every((address) => address.startsWith('['));
  return `${listen.join(', ') || 'nothing bound'}${isIpv6Only ? ' (IPv6 only)' : ''}`;
};

/** The addresses that are missing of a port; where they are its cause, the explanation has them. */
const renderListenProblem = ({ cause, listenProblem, listenAdvice }: ProxyStatus): string[] =>
  listenProblem && !(cause && isListenFault(cause))
    ? [`    ! ${listenProblem}${listenAdvice ? `. ${listenAdvice}` : ''}`]
    : [];

/** "DOWN (hung)" */
const describeState = (proxy: ProxyStatus): string => {
  const absence = absenceWordOf(proxy);
  if (absence !== null) return absence;
  const cause = causeWordOf(proxy);
  return `${STATE_LABELS[proxy.state]}${cause === null ? '' : ` (${cause})`}`;
};

/** "failing (4 checks, threshold 3)  failures 4 since healthy, 12 in all" */
const formatFailures = ({ failures, failureThreshold }: ProxyStatus): string => {
  const { consecutive, sinceHealthy, total } = failures;
  const present =
    consecutive === 0
      ? ''
      : `failing (${consecutive} ${plural(consecutive, 'check', 'checks')}, threshold ${failureThreshold})  `;
  return `${present}failures ${sinceHealthy} since healthy, ${total} in all`;
};

/** The engine is unknown when the process has not answered, and so are its connections. */
const formatConnections = ({ engine, connections: { active, total } }: ProxyStatus): string =>
  engine === null ? '-' : `${active} active, ${total} in all`;

const renderTimes = ({ checkMs, recovery }: ProxyStatus): string => {
  const probe = checkMs === null ? '-' : `${checkMs} ms`;
  const recoveries =
    recovery.count === 0
      ? '-'
      : `last ${formatDuration(recovery.lastMs)}, mean ${formatDuration(recovery.meanMs)}`;
  return `    probe ${probe}  recovery ${recoveries}`;
};

const renderUrls = (proxy: ProxyStatus): string[] =>
  proxy.urls.length === 0 ? [] : [`    from elsewhere: ${formatUrls(proxy)}`];

const formatUrls = (proxy: ProxyStatus): string => `${proxy.urls.join(' ')}${answerLabelOf(proxy)}`;

/** What a client gets there: a proxy that accepts is no answer while its application is away. */
const answerLabelOf = ({ state, answersOnOwnAddress }: ProxyStatus): string => {
  if (answersOnOwnAddress === false) return '  (does not answer)';
  return answersOnOwnAddress && state === 'up' ? '  (answers)' : '';
};

/** The URLs for other machines; where there are none, the addresses on this one. */
const formatAddressToOpen = (proxy: ProxyStatus): string =>
  proxy.urls.length === 0 ? `listens on ${proxy.listen.join(', ')}` : `open ${formatUrls(proxy)}`;

const renderExplanation = (proxy: ProxyStatus, monitor: MonitorStatus | null, now: number): string[] => {
  const explanation = explainState(proxy, monitor, now);
  return explanation === undefined ? [] : [`    → ${explanation}`];
};

/** The explanation, and when the next restart is due. */
const explainState = (proxy: ProxyStatus, monitor: MonitorStatus | null, now: number): string | undefined => {
  const explanation = explanationOf(proxy, monitor === null ? null : supervisionCureOf(problemsOf(monitor)));
  const { nextRestartAt } = proxy;
  if (explanation === undefined || nextRestartAt === null) return explanation;
  return `${explanation}; restarts did not help: next try in ${formatDuration(Math.max(0, nextRestartAt - now))}`;
};

/** The reason is shown where the kernel engine could not be used. */
const formatEngine = ({ engine, engineReason }: ProxyStatus): string => {
  if (engine === null) return '';
  return `  engine ${engine}${engine === 'portable' && engineReason ? ` (${engineReason})` : ''}`;
};

/** The resource usage of the process, and a line for each limit that it exceeds. */
const renderUsage = ({ usage, warnings, uptimePercent }: ProxyStatus, isWatched: boolean): string[] => {
  const { memoryBytes, cpuPercent, openFiles, openFilesLimit } = usage;
  const parts = [
    isWatched && uptimePercent !== null ? `uptime ${uptimePercent} %` : 'uptime -',
    memoryBytes === null ? undefined : `memory ${Math.round(memoryBytes / 1e6)} MB`,
    cpuPercent === null ? undefined : `CPU ${cpuPercent} %`,
    openFiles === null ? undefined : `files ${openFiles}/${openFilesLimit ?? '-'}`,
  ].filter((part) => part !== undefined);
  return [`    ${parts.join('  ')}`, ...warnings.map((warning) => `    ! ${warning}`)];
};

const renderIncident = (
  { startedAt, endedAt, cause, actions }: ProxyStatus['incidents'][number],
  isOver: boolean,
  now: number,
): string => {
  const age = formatDuration(Math.max(0, now - startedAt));
  // Without a monitor nobody saw the end of an incident that it had recorded.
  const duration =
    endedAt !== null
      ? `lasted ${formatDuration(Math.max(0, endedAt - startedAt))}`
      : isOver
        ? 'is over'
        : 'goes on';
  const remedies = actions.length > 0 ? `, remedies: ${actions.join(', ')}` : '';
  return `    last incident ${age} ago: ${cause}, ${duration}${remedies}`;
};

/** The cause and the next step in plain words; undefined when there is nothing to explain. */
const explanationOf = (proxy: ProxyStatus, supervisionCure: string | null): string | undefined => {
  const { state, cause, detail, portOwner, listenAdvice, startAdvice = null, sharesPort } = proxy;
  const { name, upstream, port, pm2 } = proxy;
  const place = port === null ? 'the socket' : `port ${port}`;
  if (proxy.absence) return explainAbsence(proxy.absence, place);
  if (state === 'stopped')
    return `start it again with: ${pm2 === 'stopped' ? pm2Command('start', name) : 'npm start'}`;
  if (isUnmanaged(proxy) && supervisionCure === null)
    return pm2 === PM2_NOT_LISTED
      ? 'it does not run, and PM2 does not have it: npm start'
      : 'it does not run, and PM2 cannot be reached: npm start, which starts it or says what is wrong with PM2';
  if (cause === null) return undefined;
  const explanation = explainCause(cause, {
    name,
    upstream,
    place,
    portOwner,
    sharesPort,
    listenAdvice,
    startAdvice,
    detail,
    supervisionCure,
  });
  const reason = explanation.detail === 'separate' ? explanation.what : describeReason(explanation, detail);
  return [reason, explanation.next].filter((part) => part !== null).join('. ');
};

const renderMonitor = (
  app: string,
  { pid, intervalMs, lastCheckAt, pm2Problem, http }: MonitorStatus,
  now: number,
): string =>
  `✓ ${app}  pid ${pid}  checks every ${formatDuration(intervalMs)}, last ${formatDuration(Math.max(0, now - lastCheckAt))} ago` +
  `${http ? `  ${http}` : ''}${pm2Problem ? `  PM2: ${pm2Problem}` : ''}`;

const renderProblems = (monitor: MonitorStatus): string[] =>
  problemsOf(monitor).map(({ kind, text }) => `! ${MONITOR_PROBLEM_KINDS[kind].label}  ${text}`);

/** Lines about the alerts; none while there is no silence, no channel has a problem, and nothing waits or is held back. */
const renderAlerts = (
  { silenceEndsAt, heldBack = [], deferred = 0, channels }: AlertsStatus,
  now: number,
): string[] => {
  const silence =
    silenceEndsAt === null ? [] : [`silenced for ${formatDuration(Math.max(0, silenceEndsAt - now))}`];
  const channelProblems = channels
    .filter(({ waiting, problem }) => waiting > 0 || problem !== null)
    .map(({ name, waiting, problem }) => `${name}: ${waiting} waiting${problem ? ` (${problem})` : ''}`);
  const quiet = deferred === 0 ? [] : [`${deferred} of the quiet hours come when they end`];
  const parts = [...silence, ...quiet, ...channelProblems];
  return [
    ...(parts.length === 0 ? [] : [`! alerts  ${parts.join('  ')}`]),
    ...heldBack.slice(0, MAX_HELD_BACK).map((held) => renderHeldBack(held, now)),
    ...(heldBack.length > MAX_HELD_BACK ? [`! alerts  … and ${heldBack.length - MAX_HELD_BACK} more`] : []),
  ];
};

const MAX_HELD_BACK = 5;

const renderHeldBack = ({ proxy, reason, dueAt, channels }: HeldBack, now: number): string => {
  const subject = reason === 'flapping' ? `${proxy} comes and goes` : `${proxy} has just gone down`;
  const due =
    dueAt === null
      ? 'nothing is sent of it until an outage lasts'
      : `sent in ${formatDuration(Math.max(0, dueAt - now))}, if it stays down`;
  return `! alerts  ${subject}: ${due} (${channels.join(', ')})`;
};

const explainAbsence = (absence: Absence, place: string): string => {
  if (absence.kind === 'not_started') return 'start it with: npm start';
  const { user, pid, isProxy } = absence;
  if (isProxy) return `${place} is served by user ${user} (pid ${pid}): ${statusCommandOf(user)}`;
  return `${place} is held by a process of user ${user} that this user may not see; if it is steadyport's: ${statusCommandOf(user)}`;
};

/** Where the monitor serves, which its start may have chosen; nothing where it serves nothing. */
const renderMonitorAddress = (project: string, { http }: MonitorStatus): string[] =>
  http === null ? [] : [`✓ ${monitorAppOf(project)}  ${http}`];

const renderOtherProjects = ({ otherProjects = [] }: Snapshot): string[] =>
  otherProjects.length === 0
    ? []
    : [
        `Other projects: ${otherProjects
          .map(({ name, configPath, running }) => `${name} (${configPath}${running ? '' : ', no monitor'})`)
          .join(', ')}`,
      ];

const renderMonitorProblem = (snapshot: Snapshot): string[] => {
  const { monitorProblem, monitorStartProblem, proxies } = snapshot;
  const problem = monitorProblem === null ? 'not reachable' : 'does not answer';
  const cannotStart = monitorStartProblem ? `PM2 cannot start it (${monitorStartProblem}); ` : '';
  const other = proxies.flatMap(({ absence }) => (absence?.kind === 'other_user' ? [absence.user] : []))[0];
  const nextStep =
    monitorProblem ??
    (other === undefined
      ? `${cannotStart}start it with: npm start`
      : `this user has none; that of user ${other}: ${statusCommandOf(other)}`);
  return [
    `✗ ${monitorAppOf(projectNameOf(snapshot))}  ${problem}. This is from PM2 and one check`,
    `    → ${nextStep}`,
  ];
};
