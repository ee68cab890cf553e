import { adviceOn } from '../health/cause-text.ts';
import type { ProxyState } from '../health/state.ts';
import { formatSeconds } from '../lib/duration.ts';
import {
  type AlertsStatus,
  type MonitorStatus,
  NOT_LISTED,
  NOT_REACHABLE,
  type ProxyStatus,
  type Snapshot,
} from './snapshot.ts';
import { headline, isFine } from './summary.ts';
import { cut, wrap } from './text-layout.ts';

/** How text is marked; the identity where there are no colours. */
export interface Paint {
  good(text: string): string;
  bad(text: string): string;
  dim(text: string): string;
}

/** For people: no line is longer than `columns`. */
export const renderStatus = (snapshot: Snapshot, columns: number, paint: Paint, nowMs: number): string => {
  const { monitor, proxies, log } = snapshot;
  const fit = (text: string): string => cut(text, columns);
  const blocks = [
    [fit(headline(snapshot))],
    ...proxies.map((proxy) =>
      renderProxy(proxy, columns, nowMs).map((line, row) => mark(fit(line), row, proxy, paint)),
    ),
    monitor
      ? [renderMonitor(monitor, nowMs), ...renderAlerts(monitor.alerts, nowMs)].map(fit)
      : renderNoMonitor(snapshot, columns),
    log.length > 0 ? [fit('Last lines of the log:'), ...log.map((line) => paint.dim(fit(`  ${line}`)))] : [],
  ];
  return `${blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
};

const GLYPHS: Readonly<Record<ProxyState, string>> = {
  up: '✓',
  degraded: '!',
  down: '✗',
  starting: '…',
  stopped: '■',
  waiting: '○',
  not_needed: '✓',
};

const WORDS: Readonly<Record<ProxyState, string>> = {
  up: 'up',
  degraded: 'degraded',
  down: 'DOWN',
  starting: 'starting',
  stopped: 'stopped by the operator',
  waiting: 'waiting for its upstream',
  not_needed: 'not needed: the upstream listens on every address itself',
};

const mark = (line: string, row: number, proxy: ProxyStatus, paint: Paint): string =>
  row > 0 ? line : isFine(proxy) ? paint.good(line) : paint.bad(line);

const renderProxy = (proxy: ProxyStatus, columns: number, nowMs: number): string[] => {
  const { failures, restarts, recovery, connections, checkMs } = proxy;
  const lines = [
    `${GLYPHS[proxy.state]} ${proxy.id}  ${proxy.label}  ${WORDS[proxy.state]}${proxy.cause ? ` (${proxy.cause})` : ''} for ${formatSeconds(Math.max(0, nowMs - proxy.since))}`,
    `    ${proxy.listen.join(', ') || 'nothing bound'} → ${proxy.upstream}`,
    `    ${proxy.name}  pid ${proxy.pid ?? '-'}  PM2 ${proxy.pm2}${engineOf(proxy)}  restarts: ${restarts.crash} crash, ${restarts.forced} forced`,
    `    failures ${failures.consecutive}/${proxy.failureThreshold} now, ${failures.sinceHealthy} since healthy, ${failures.total} in all` +
      `  connections ${connections.active} active, ${connections.total} in all`,
    `    probe ${checkMs === null ? '-' : `${checkMs} ms`}  recovery ${recovery.count === 0 ? '-' : `last ${formatSeconds(recovery.lastMs)}, mean ${formatSeconds(recovery.meanMs)}`}`,
  ];
  lines.push(...renderUse(proxy));
  const last = proxy.incidents.at(-1);
  if (last) lines.push(`    ${renderIncident(last, nowMs)}`);
  if (proxy.urls.length > 0)
    lines.push(
      `    from elsewhere: ${proxy.urls.join(' ')}${ANSWERS[String(proxy.answersOnOwnAddress)] ?? ''}`,
    );
  const why = explain(proxy);
  const nextTry =
    proxy.nextRestartAt === null
      ? ''
      : `; restarts did not help: next try in ${formatSeconds(Math.max(0, proxy.nextRestartAt - nowMs))}`;
  return why === undefined ? lines : [...lines, ...wrap(why + nextTry, columns, '    → ', '      ')];
};

/** The reason is of interest where the better engine could not be had. */
const engineOf = ({ engine, engineReason }: ProxyStatus): string => {
  if (engine === null) return '';
  return `  engine ${engine}${engine === 'portable' && engineReason ? ` (${engineReason})` : ''}`;
};

/** What the process uses, and what is over a limit. */
const renderUse = ({ usage, warnings, uptimePercent }: ProxyStatus): string[] => {
  const { memoryBytes, cpuPercent, openFiles, openFilesLimit } = usage;
  const parts = [
    `uptime ${uptimePercent} %`,
    memoryBytes === null ? undefined : `memory ${Math.round(memoryBytes / 1e6)} MB`,
    cpuPercent === null ? undefined : `CPU ${cpuPercent} %`,
    openFiles === null ? undefined : `files ${openFiles}/${openFilesLimit ?? '-'}`,
  ].filter((part) => part !== undefined);
  return [`    ${parts.join('  ')}`, ...warnings.map((warning) => `    ! ${warning}`)];
};

const renderIncident = (
  { startedAt, endedAt, cause, actions }: ProxyStatus['incidents'][number],
  nowMs: number,
): string => {
  const ago = formatSeconds(Math.max(0, nowMs - startedAt));
  const lasted = endedAt === null ? 'goes on' : `lasted ${formatSeconds(Math.max(0, endedAt - startedAt))}`;
  return `last incident ${ago} ago: ${cause}, ${lasted}${actions.length > 0 ? `, cured by: ${actions.join(', ')}` : ''}`;
};

const ANSWERS: Readonly<Record<string, string>> = { true: '  (answers)', false: '  (does not answer)' };

/** The cause and the next step in plain words; undefined when nothing is to be said. */
const explain = ({
  state,
  cause,
  detail,
  portOwner,
  name,
  upstream,
  port,
  pm2,
}: ProxyStatus): string | undefined => {
  if (state === 'stopped')
    return `start it again with: ${pm2 === 'stopped' ? `pm2 start ${name}` : 'npm start'}`;
  const place = port === null ? 'the socket' : `port ${port}`;
  const isLost = cause === 'crashed' && (pm2 === NOT_LISTED || pm2 === NOT_REACHABLE);
  if (isLost) return 'it does not run, and PM2 does not have it: npm start';
  return cause === null ? undefined : adviceOn(cause, { name, upstream, place, detail, holder: portOwner });
};

const renderMonitor = (
  { pid, intervalMs, lastCheckAt, pm2Problem, http }: MonitorStatus,
  nowMs: number,
): string =>
  `✓ proxy-monitor  pid ${pid}  looks every ${formatSeconds(intervalMs)}, last ${formatSeconds(Math.max(0, nowMs - lastCheckAt))} ago` +
  `${http ? `  ${http}` : ''}${pm2Problem ? `  PM2: ${pm2Problem}` : ''}`;

/** Nothing while all that was to be said is said. */
const renderAlerts = ({ silenceEndsAt, channels }: AlertsStatus, nowMs: number): string[] => {
  const silence =
    silenceEndsAt === null ? [] : [`silenced for ${formatSeconds(Math.max(0, silenceEndsAt - nowMs))}`];
  const troubled = channels
    .filter(({ waiting, problem }) => waiting > 0 || problem !== null)
    .map(({ name, waiting, problem }) => `${name}: ${waiting} waiting${problem ? ` (${problem})` : ''}`);
  const parts = [...silence, ...troubled];
  return parts.length === 0 ? [] : [`! alerts  ${parts.join('  ')}`];
};

const renderNoMonitor = ({ monitorProblem }: Snapshot, columns: number): string[] => {
  const [what, next] =
    monitorProblem === null
      ? ['not reachable', 'start it with: npm start']
      : ['does not answer', monitorProblem];
  return [
    cut(`✗ proxy-monitor  ${what}. This is from PM2 and one look`, columns),
    ...wrap(next, columns, '    → ', '      '),
  ];
};
