import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ParsedArgs } from 'minimist';
import { proxyTitle } from '../../config/app-names.ts';
import type { Config, ForwardingConfig } from '../../config/config.ts';
import { requireOwnConfig } from '../../config/project/running.ts';
import type { Settings } from '../../config/settings.ts';
import { PM2_DRAIN_MS } from '../../health/stop-deadline.ts';
import { cureOfCopies, describeHolder, identityOf, leavesFor, supervisorOf } from '../../ipc/identity.ts';
import { createOrphanHandler } from '../../ipc/orphan.ts';
import type { ProxyProtocol, Supervisor } from '../../ipc/protocol.ts';
import { type ControlServer, serveControlWhenFree } from '../../ipc/server.ts';
import { UsageError } from '../../lib/usage-error.ts';
import { createEdgeLogger, type EdgeLogger } from '../../logging/edge-logger.ts';
import { type FileSink, openFileSink } from '../../logging/file-sink.ts';
import { createLog, type Log } from '../../logging/logger.ts';
import { STOP_EXIT_CODE } from '../../pm2/apps.ts';
import { type RunningProxy, startProxy } from '../../proxy/proxy.ts';
import { chooseEngine } from '../../proxy/select-engine.ts';
import { readInteger, removeFile, writeAtomic } from '../../system/files.ts';
import { exitWithFailure, exitWithPm2, shutDownOnSignal } from '../../system/shutdown.ts';
import { makeStateDir } from '../../system/state-dir.ts';
import { awaitTurn, type StandbyCallbacks } from './turn.ts';

/**
 * `steadyport run tcp-proxy-<port>` runs one proxy of the config, with its control socket and pid file.
 * @returns STOP_EXIT_CODE under PM2 when the config has no such proxy
 * @throws UsageError in that case without PM2
 */
export const run = async (args: ParsedArgs): Promise<number | undefined> => {
  const { config, settings, problem } = await requireOwnConfig();
  const [name = ''] = args._;
  const proxyConfig: ForwardingConfig | undefined = config.proxies.find((proxy) => proxy.name === name);
  if (!proxyConfig) return stopForGood(name, config, settings);
  process.title = proxyTitle(proxyConfig.id);
  const stateDir = makeStateDir(settings.project.stateDir, proxyConfig.id);
  const files = stateDir.portFiles(proxyConfig.id);
  const { socket, pidFile } = files;
  const log = createLog(settings.logFormat);
  if (problem !== null) log('accepted_config', `⚠️  ${problem}`);
  const turn = await awaitTurn(
    files,
    () => supervisorOf(settings),
    createStandby(proxyConfig, settings, log),
  );
  const { predecessor } = turn;
  // PM2 loses lines when its logs are rotated, so the connections have a log of their own. By hand, all goes to stdout.
  const accessLog = settings.isUnderPm2
    ? openAccessLog(stateDir.accessLogFile(proxyConfig.name), proxyConfig.id, log)
    : undefined;
  const starting = startProxy(proxyConfig, chooseEngine(proxyConfig.engine), log, exitWithFailure, {
    accessLog: accessLog && createLog(settings.logFormat, accessLog.write),
  });
  let startedProxy: RunningProxy | undefined;
  let controlServer: ControlServer | undefined;
  let pidFileTimer: NodeJS.Timeout | undefined;
  let isLeaving = false;
  const shutDown = shutDownOnSignal(async () => {
    isLeaving = true;
    // Without an await where possible: a process that asks this one to leave must find the port free at the answer.
    const proxy = startedProxy ?? (await starting);
    clearInterval(pidFileTimer);
    controlServer?.announce('leaving');
    await proxy.drain(drainTimeMs(proxyConfig, settings));
    // The control socket closes last: whoever waits for this process takes the socket's end for the end of the process.
    await accessLog?.close();
    await controlServer?.close(proxy.report());
    if (readInteger(pidFile) === process.pid) removeFile(pidFile);
  });
  const proxy = await starting;
  startedProxy = proxy;
  if (predecessor) {
    logReplacement(log, proxyConfig.id, predecessor.pid, predecessor.askedAt);
    await predecessor.exited;
  }
  // `steadyport stop` asks every process that answers. A process that still waits for its control socket does not answer,
  // so it ends with PM2, unless it serves its port.
  const keepRunning = exitWithPm2(() => !proxy.report().bindings.some(({ state }) => state === 'bound'));
  controlServer = await serveControlWhenFree<ProxyProtocol>(
    socket,
    createHandlers(
      proxy,
      settings,
      shutDown,
      (successor) => isLeaving || leavesFor(supervisorOf(settings), successor),
    ),
    (holder) =>
      log(
        'another_proxy',
        `Another process answers on ${socket}: ${describeHolder(holder, supervisorOf(settings))}; waiting for it to leave`,
      ),
  );
  turn.done();
  keepRunning();
  pidFileTimer = keepPidFile(pidFile, createPidFileLogger(log, proxyConfig.id, pidFile));
  process.send?.('ready');
  return undefined;
};

/** Under PM2 a proxy drains for at most PM2_DRAIN_MS, since nobody takes its port over meanwhile. */
const drainTimeMs = ({ drainMs }: ForwardingConfig, { isUnderPm2 }: Settings): number =>
  isUnderPm2 ? Math.min(drainMs, PM2_DRAIN_MS) : drainMs;

/**
 * Says why, once. A next start would find the same config, and PM2 does not start it again (stop_exit_codes in pm2/apps.ts). PM2
 * may have it in its saved list, and starts it at boot.
 */
const stopForGood = (name: string, { disabled }: Config, settings: Settings): number => {
  const isDisabled = disabled.some((proxy) => proxy.name === name);
  const problem = isDisabled ? 'disables the proxy' : 'has no proxy';
  const message = `${settings.configPath} ${problem} "${name}"; take it out of PM2 with: npm start`;
  if (!settings.isUnderPm2) throw new UsageError(message);
  const log = createLog(settings.logFormat);
  log('not_configured', `${message}; it is not started again`, { proxy: name });
  return STOP_EXIT_CODE;
};

/**
 * The callbacks of a copy that stands by. The copy tells PM2 that it is ready, or PM2 would wait for it. It ends with the PM2 daemon,
 * since it serves nobody.
 */
const createStandby = ({ id, name }: ForwardingConfig, settings: Settings, log: Log): StandbyCallbacks => {
  let keepRunning = (): void => {};
  return {
    onStandby: (holder) => {
      const own = supervisorOf(settings);
      keepRunning = exitWithPm2();
      process.send?.('ready');
      const text = `${id}: stands by, since ${describeHolder(holder, own)} has the port; it takes over when that one ends`;
      log('standby', `${text}; ${cureOfCopies(name, holder, own)}`, { proxy: name, holder: holder.pid });
    },
    onStandbyEnd: ({ pid }) => {
      keepRunning();
      log('standby_ended', `${id}: pid ${pid ?? 'unknown'}, which had the port, leaves`, { proxy: name });
    },
  };
};

const openAccessLog = (path: string, id: string, log: Log): FileSink => {
  log('access_log_opened', `${id}: connections are logged in ${path}`, { path });
  return openFileSink(path, (event, message) => log(`access_log_${event}`, `${id}: ${message}`, { path }));
};

/** The control protocol of a running proxy. */
const createHandlers = (
  proxy: RunningProxy,
  settings: Settings,
  shutDown: () => void,
  leaves: (successor: Supervisor | null) => boolean,
) => ({
  report: () => ({ ...proxy.report(), supervisor: supervisorOf(settings) }),
  identify: () => identityOf(settings),
  pulse: () => null,
  // A proxy that was started by hand leaves too: its successor is supervised, and it is not.
  leave: (request: ProxyProtocol['leave']['ask']) => {
    const isToLeave = leaves(request?.successor ?? null);
    if (isToLeave) shutDown();
    return isToLeave;
  },
  listen_again: () => {
    proxy.relisten();
    return null;
  },
  leave_orphan: createOrphanHandler(settings, shutDown),
  expect_check: (check: ProxyProtocol['expect_check']['ask']) => {
    proxy.engine.expectCheck(check);
    return null;
  },
  retract_check: (source: ProxyProtocol['retract_check']['ask']) => {
    proxy.engine.retractCheck(source);
    return null;
  },
});

const PID_FILE_CHECK_MS = 2_000;

const createPidFileLogger = (log: Log, id: string, path: string): EdgeLogger =>
  createEdgeLogger({
    onFail: (problem) => log('no_pid_file', `${id}: cannot write ${path}: ${problem}; serving without it`),
  });

/** Writes the pid file, and again where it is gone at the next check, or could not be written. The proxy serves without it. */
const keepPidFile = (path: string, availability: EdgeLogger): NodeJS.Timeout => {
  const write = (): void => {
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeAtomic(path, `${process.pid}\n`);
      availability.succeeded();
    } catch (error) {
      availability.failed((error as Error).message);
    }
  };
  write();
  return setInterval(() => {
    if (!existsSync(path)) write();
  }, PID_FILE_CHECK_MS).unref();
};

const logReplacement = (log: Log, id: string, pid: number | null, askedAt: number): void => {
  const awayMs = Math.round(performance.now() - askedAt);
  log(
    'predecessor_replaced',
    `${id}: taken over from pid ${pid ?? 'unknown'}, which PM2 no longer has; nobody listened for ${awayMs} ms`,
    { awayMs },
  );
};
