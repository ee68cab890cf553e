import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ParsedArgs } from 'minimist';
import { proxyTitle } from '../../config/app-names.ts';
import type { ForwardingConfig } from '../../config/config.ts';
import { requireConfig } from '../../config/load.ts';
import type { Settings } from '../../config/settings.ts';
import { PM2_DRAIN_MS } from '../../health/stop-deadline.ts';
import { connectControl } from '../../ipc/client.ts';
import { createOrphanHandler } from '../../ipc/orphan.ts';
import type { ProxyProtocol } from '../../ipc/protocol.ts';
import { type ControlServer, serveControlWhenFree } from '../../ipc/server.ts';
import { UsageError } from '../../lib/usage-error.ts';
import { createEdgeLogger, type EdgeLogger } from '../../logging/edge-logger.ts';
import { type FileSink, openFileSink } from '../../logging/file-sink.ts';
import { createLog, type Log } from '../../logging/logger.ts';
import { type RunningProxy, startProxy } from '../../proxy/proxy.ts';
import { chooseEngine } from '../../proxy/select-engine.ts';
import { readInteger, removeFile, writeAtomic } from '../../system/files.ts';
import { exitWithFailure, exitWithPm2, shutDownOnSignal } from '../../system/shutdown.ts';
import { makeStateDir } from '../../system/state-dir.ts';

/** `steadyport run tcp-proxy-<port>` runs one proxy of the config, with its control socket and pid file. */
export const run = async (args: ParsedArgs): Promise<undefined> => {
  const { config, settings } = requireConfig();
  const proxyConfig: ForwardingConfig | undefined = config.proxies.find(({ name }) => name === args._[0]);
  if (!proxyConfig) {
    const isDisabled = config.disabled.some(({ name }) => name === args._[0]);
    const problem = isDisabled ? 'disables the' : 'has no';
    // PM2 may have it in its saved list, and starts it at boot.
    throw new UsageError(
      `${settings.configPath} ${problem} proxy "${args._[0]}"; take it out of PM2 with: npm start`,
    );
  }
  process.title = proxyTitle(proxyConfig.id);
  const stateDir = makeStateDir(settings.project.stateDir, proxyConfig.id);
  const { socket, pidFile } = stateDir.portFiles(proxyConfig.id);
  // Read before the predecessor is asked to leave, since it removes the file when it ends.
  const predecessorPid = readInteger(pidFile);
  const log = createLog(settings.logFormat);
  // PM2 loses lines when its logs are rotated, so the connections have a log of their own. By hand, all goes to stdout.
  const accessLog = settings.isUnderPm2
    ? openAccessLog(stateDir.accessLogFile(proxyConfig.name), proxyConfig.id, log)
    : undefined;
  const predecessor = await replacePredecessor(socket);
  const starting = startProxy(proxyConfig, chooseEngine(proxyConfig.engine), log, exitWithFailure, {
    accessLog: accessLog && createLog(settings.logFormat, accessLog.write),
  });
  let startedProxy: RunningProxy | undefined;
  let controlServer: ControlServer | undefined;
  let pidFileTimer: NodeJS.Timeout | undefined;
  const shutDown = shutDownOnSignal(async () => {
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
    logReplacement(log, proxyConfig.id, predecessorPid, predecessor.askedAt);
    await predecessor.exited;
  }
  // `steadyport stop` asks every process that answers. A process that still waits for its control socket does not answer,
  // so it ends with PM2, unless it serves its port.
  const keepRunning = exitWithPm2(() => !proxy.report().bindings.some(({ state }) => state === 'bound'));
  controlServer = await serveControlWhenFree<ProxyProtocol>(
    socket,
    createHandlers(proxy, settings, shutDown),
    () => log('another_proxy', `Another process answers on ${socket}; waiting for it to leave`),
  );
  keepRunning();
  pidFileTimer = keepPidFile(pidFile, createPidFileLogger(log, proxyConfig.id, pidFile));
  process.send?.('ready');
};

/** Under PM2 a proxy drains for at most PM2_DRAIN_MS, since nobody takes its port over meanwhile. */
const drainTimeMs = ({ drainMs }: ForwardingConfig, { isUnderPm2 }: Settings): number =>
  isUnderPm2 ? Math.min(drainMs, PM2_DRAIN_MS) : drainMs;

const openAccessLog = (path: string, id: string, log: Log): FileSink => {
  log('access_log_opened', `${id}: connections are logged in ${path}`, { path });
  return openFileSink(path, (event, message) => log(`access_log_${event}`, `${id}: ${message}`, { path }));
};

/** The control protocol of a running proxy. */
const createHandlers = (proxy: RunningProxy, settings: Settings, shutDown: () => void) => ({
  report: proxy.report,
  pulse: () => null,
  leave: () => {
    shutDown();
    return null;
  },
  listen_again: () => {
    proxy.relisten();
    return null;
  },
  leave_orphan: createOrphanHandler(settings, shutDown),
  expect_check: ({ localPort, forward }: ProxyProtocol['expect_check']['ask']) => {
    proxy.engine.expectCheck(localPort, forward);
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

interface Predecessor {
  /** The instant at which it was asked to exit, in milliseconds of performance.now(). */
  readonly askedAt: number;
  /** Resolves when it has ended, or after PM2_DRAIN_MS and ANSWER_TIMEOUT_MS. */
  readonly exited: Promise<unknown>;
}

const ANSWER_TIMEOUT_MS = 1_000;

/**
 * Asks a process that outlived its PM2 daemon to leave, so that the process that PM2 knows can serve the port. When it
 * answers, it has closed its listening sockets; it may then finish its connections until `exited`.
 * @returns undefined when nobody answers on the socket
 */
const replacePredecessor = async (socketPath: string): Promise<Predecessor | undefined> => {
  try {
    const predecessor = await connectControl<ProxyProtocol>(socketPath, ANSWER_TIMEOUT_MS);
    const askedAt = performance.now();
    await predecessor.ask('leave', null, ANSWER_TIMEOUT_MS);
    const exited = Promise.race([predecessor.closed, sleep(PM2_DRAIN_MS + ANSWER_TIMEOUT_MS)]);
    return { askedAt, exited: exited.finally(() => predecessor.close()) };
  } catch {
    // There is no predecessor, or it does not answer; if it holds the port, binding the port reports it.
    return undefined;
  }
};

const logReplacement = (log: Log, id: string, pid: number | undefined, askedAt: number): void => {
  const awayMs = Math.round(performance.now() - askedAt);
  log(
    'predecessor_replaced',
    `${id}: taken over from pid ${pid ?? 'unknown'}, which PM2 no longer has; nobody listened for ${awayMs} ms`,
    { awayMs },
  );
};
