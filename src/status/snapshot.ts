import { adviceOn } from '../health/cause-text.ts';
import type { Cause } from '../health/decision-table.ts';
import type { Usage } from '../health/resource-limits.ts';
import type { PastIncident, ProxyState } from '../health/state.ts';
import { formatSeconds, isWithin } from '../lib/duration.ts';

/** What `steadyport status --json` and /api/v1/status give; durations and times are whole milliseconds. */
export interface Snapshot {
  /** Of this format. */
  readonly version: 1;
  readonly takenAtMs: number;
  /** Null when the monitor could not be reached. */
  readonly monitor: MonitorStatus | null;
  /** Of a monitor that is there and does not answer: what is wrong with it, and what to do. */
  readonly monitorProblem: string | null;
  readonly proxies: readonly ProxyStatus[];
  /** The last lines of the monitor's log, oldest first. */
  readonly log: readonly string[];
}

export interface MonitorStatus {
  readonly pid: number;
  readonly version: string;
  readonly startedAtMs: number;
  readonly intervalMs: number;
  readonly lastLookMs: number;
  /** Why PM2's list could not be had, null when it could. */
  readonly pm2Problem: string | null;
  readonly http: string | null;
  readonly alerts: AlertsStatus;
}

export interface AlertsStatus {
  /** Null while alerts are not silenced. */
  readonly silencedUntilMs: number | null;
  readonly channels: readonly {
    readonly name: string;
    /** How many messages it has not taken yet. */
    readonly waiting: number;
    /** What its last try said; null after one that went well. */
    readonly problem: string | null;
  }[];
}

/** Nobody is told. */
export const NO_ALERTS: AlertsStatus = { silencedUntilMs: null, channels: [] };

export interface ProxyStatus {
  readonly name: string;
  /** "6274", or a unix socket's file name. */
  readonly id: string;
  /** Null for a unix socket. */
  readonly port: number | null;
  readonly label: string;
  readonly listen: readonly string[];
  readonly upstream: string;
  readonly optional: boolean;
  readonly state: ProxyState;
  readonly cause: Cause | null;
  readonly sinceMs: number;
  /** What the failed check said, or how the process ended. */
  readonly detail: string | null;
  readonly pid: number | null;
  readonly pm2: string;
  readonly engine: string | null;
  /** Why this engine, in words. */
  readonly engineReason: string | null;
  readonly restarts: { readonly crash: number; readonly forced: number };
  readonly failures: { readonly consecutive: number; readonly sinceHealthy: number; readonly total: number };
  readonly failureThreshold: number;
  readonly recovery: { readonly count: number; readonly lastMs: number; readonly meanMs: number };
  /** Since the first look at it; to three decimals. */
  readonly uptimePercent: number;
  /** The last ones, oldest first; `toMs` is null while it goes on. */
  readonly incidents: readonly (Pick<PastIncident, 'fromMs' | 'cause' | 'cures'> & {
    readonly toMs: number | null;
  })[];
  /** What is over a limit that only warns, in words. */
  readonly warnings: readonly string[];
  readonly usage: Usage;
  /** When restarts are tried no more for now: the next try. */
  readonly nextTryMs: number | null;
  readonly connections: { readonly active: number; readonly total: number };
  readonly probeMs: number | null;
  /** Who has the port, when it is not the proxy. */
  readonly holder: string | null;
  /** Where to open it from elsewhere. */
  readonly urls: readonly string[];
  /** Whether a connection to a non-loopback address of this host is accepted; null when it was not tried. */
  readonly answersOutside: boolean | null;
}

/** 0: all up (an optional proxy may wait, a proxy that is not needed counts as up); 1: anything else; 3: no monitor. */
export const exitCode = ({ monitor, proxies }: Snapshot): 0 | 1 | 3 =>
  monitor === null ? 3 : proxies.length > 0 && proxies.every(isFine) ? 0 : 1;

/** Looks that are late by so much are no news of how things are. */
const MOST_LATE_MS = 10_000;

/** All up, as the exit code has it, and looked at of late: for those who are told while it is so. */
export const isWell = (snapshot: Snapshot): boolean => {
  const { monitor, takenAtMs } = snapshot;
  return (
    exitCode(snapshot) === 0 &&
    monitor !== null &&
    isWithin(monitor.lastLookMs, takenAtMs, monitor.intervalMs + MOST_LATE_MS)
  );
};

const isFine = ({ state }: ProxyStatus): boolean =>
  state === 'up' || state === 'waiting' || state === 'not_needed';

/** Names, ports and labels match; undefined when nothing does. */
export const selectProxies = (snapshot: Snapshot, wanted: string): Snapshot | undefined => {
  const proxies = snapshot.proxies.filter((proxy) => isCalled(proxy, wanted));
  return proxies.length === 0 ? undefined : { ...snapshot, proxies };
};

/** By its PM2 app's name, its port or socket's name, or its label, in any case. */
export const isCalled = (
  { name, id, label }: Pick<ProxyStatus, 'name' | 'id' | 'label'>,
  wanted: string,
): boolean => [name, id, label].some((word) => word.toLowerCase() === wanted.toLowerCase());

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

export const headline = ({ monitor, monitorProblem, proxies }: Snapshot): string => {
  const bad = proxies.filter((proxy) => !isFine(proxy));
  const without = monitorProblem ? 'The monitor does not answer. ' : monitor === null ? 'No monitor. ' : '';
  if (bad.length === 0)
    return `${without}All ${proxies.length} ports are up.`.replace('All 1 ports are', 'The port is');
  return `${without}${bad.length} of ${proxies.length} ports not up: ${bad.map(({ id, state, cause }) => `${id} ${cause ?? state}`).join(', ')}`;
};

const mark = (line: string, row: number, proxy: ProxyStatus, paint: Paint): string =>
  row > 0 ? line : isFine(proxy) ? paint.good(line) : paint.bad(line);

const renderProxy = (proxy: ProxyStatus, columns: number, nowMs: number): string[] => {
  const { failures, restarts, recovery, connections, probeMs } = proxy;
  const lines = [
    `${GLYPHS[proxy.state]} ${proxy.id}  ${proxy.label}  ${WORDS[proxy.state]}${proxy.cause ? ` (${proxy.cause})` : ''} for ${formatSeconds(Math.max(0, nowMs - proxy.sinceMs))}`,
    `    ${proxy.listen.join(', ') || 'nothing bound'} → ${proxy.upstream}`,
    `    ${proxy.name}  pid ${proxy.pid ?? '-'}  PM2 ${proxy.pm2}${engineOf(proxy)}  restarts: ${restarts.crash} crash, ${restarts.forced} forced`,
    `    failures ${failures.consecutive}/${proxy.failureThreshold} now, ${failures.sinceHealthy} since healthy, ${failures.total} in all` +
      `  connections ${connections.active} active, ${connections.total} in all`,
    `    probe ${probeMs === null ? '-' : `${probeMs} ms`}  recovery ${recovery.count === 0 ? '-' : `last ${formatSeconds(recovery.lastMs)}, mean ${formatSeconds(recovery.meanMs)}`}`,
  ];
  lines.push(...renderUse(proxy));
  const last = proxy.incidents.at(-1);
  if (last) lines.push(`    ${renderIncident(last, nowMs)}`);
  if (proxy.urls.length > 0)
    lines.push(`    from elsewhere: ${proxy.urls.join(' ')}${ANSWERS[String(proxy.answersOutside)] ?? ''}`);
  const why = explain(proxy);
  const nextTry =
    proxy.nextTryMs === null
      ? ''
      : `; restarts did not help: next try in ${formatSeconds(Math.max(0, proxy.nextTryMs - nowMs))}`;
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
  { fromMs, toMs, cause, cures }: ProxyStatus['incidents'][number],
  nowMs: number,
): string => {
  const ago = formatSeconds(Math.max(0, nowMs - fromMs));
  const lasted = toMs === null ? 'goes on' : `lasted ${formatSeconds(Math.max(0, toMs - fromMs))}`;
  return `last incident ${ago} ago: ${cause}, ${lasted}${cures.length > 0 ? `, cured by: ${cures.join(', ')}` : ''}`;
};

/** What to do next is told whole, over as many lines as it takes. */
const wrap = (text: string, columns: number, first: string, others: string): string[] => {
  const lines = [first];
  for (const word of text.split(' ')) {
    const line = lines.pop() ?? '';
    const isEmpty = line === first || line === others;
    if (isEmpty || line.length + 1 + word.length <= columns)
      lines.push(isEmpty ? line + word : `${line} ${word}`);
    else lines.push(line, others + word);
  }
  return lines;
};

const ANSWERS: Readonly<Record<string, string>> = { true: '  (answers)', false: '  (does not answer)' };

/** What stands for PM2's word on an app when PM2 has none. */
export const NOT_LISTED = 'not in the list';
export const NOT_REACHABLE = 'not reachable';

/** The cause and the next step in plain words; undefined when nothing is to be said. */
const explain = ({
  state,
  cause,
  detail,
  holder,
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
  return cause === null ? undefined : adviceOn(cause, { name, upstream, place, detail, holder });
};

const renderMonitor = (
  { pid, intervalMs, lastLookMs, pm2Problem, http }: MonitorStatus,
  nowMs: number,
): string =>
  `✓ proxy-monitor  pid ${pid}  looks every ${formatSeconds(intervalMs)}, last ${formatSeconds(Math.max(0, nowMs - lastLookMs))} ago` +
  `${http ? `  ${http}` : ''}${pm2Problem ? `  PM2: ${pm2Problem}` : ''}`;

/** Nothing while all that was to be said is said. */
const renderAlerts = ({ silencedUntilMs, channels }: AlertsStatus, nowMs: number): string[] => {
  const silence =
    silencedUntilMs === null ? [] : [`silenced for ${formatSeconds(Math.max(0, silencedUntilMs - nowMs))}`];
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

/** A monitor that is there and does not answer; null is what nobody knows. */
export interface SilentMonitor {
  readonly pid: number | null;
  /** As in proc_pid_stat(5). */
  readonly state: string | null;
}

/** What is wrong with it, and what to do. */
export const describeSilence = ({ pid, state }: SilentMonitor): string => {
  const restart = 'pm2 restart proxy-monitor';
  if (pid === null || state === null) return `it is there, and does not answer: ${restart}`;
  const its = `the monitor's process ${pid}`;
  if (state === 'T' || state === 't')
    return `${its} is stopped by a signal (state ${state}): kill -CONT ${pid}, or ${restart}`;
  if (state === 'D')
    return `${its} waits for the kernel (state D), and no signal ends that: look at the disk and at dmesg`;
  return `${its} runs (state ${state}), and does not answer: ${restart}`;
};

const cut = (text: string, columns: number): string => {
  const letters = [...text];
  const width = (upTo: number): number =>
    letters.slice(0, upTo).reduce((sum, letter) => sum + (WIDE.test(letter) ? 2 : 1), 0);
  if (width(letters.length) <= columns) return text;
  const fitting = letters.findIndex((_, at) => width(at + 1) > columns - 1);
  return `${letters.slice(0, fitting).join('')}…`;
};

/** What takes two columns of a terminal: emoji, and East Asian wide letters (UAX 11). */
const WIDE =
  /[\p{Emoji_Presentation}\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303e\uff01-\uff60]/u;
