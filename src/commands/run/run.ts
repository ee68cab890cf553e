import { setTimeout as sleep } from 'node:timers/promises';
import type { ParsedArgs } from 'minimist';
import { requireConfig } from '../../config/load.ts';
import { PM2_DRAIN_MS } from '../../health/stop-deadline.ts';
import { connectControl } from '../../ipc/client.ts';
import { createOrphanHandler } from '../../ipc/orphan.ts';
import type { ProxyProtocol } from '../../ipc/protocol.ts';
import { type ControlServer, serveControlWhenFree } from '../../ipc/server.ts';
import { UsageError } from '../../lib/usage-error.ts';
import { type FileSink, openFileSink } from '../../logging/file-sink.ts';
import { createLog, type Log } from '../../logging/logger.ts';
import { type RunningProxy, startProxy } from '../../proxy/proxy.ts';
import { chooseEngine } from '../../proxy/select-engine.ts';
import { readInteger, removeFile, writeAtomic } from '../../system/files.ts';
import { exitWithFailure, exitWithPm2, shutDownOnSignal } from '../../system/shutdown.ts';
import { makeStateDir } from '../../system/state-dir.ts';

/** `steadyport run tcp-proxy-<port>`: one proxy of the config, with its control socket and pid file. */
export const run = async (args: ParsedArgs): Promise<undefined> => {
  const { config, settings } = requireConfig();
  const proxyConfig = config.proxies.find(({ name }) => name === args._[0]);
  if (!proxyConfig) throw new UsageError(`${settings.configPath} has no proxy "${args._[0]}"`);
  const stateDir = makeStateDir(settings.stateDir, proxyConfig.id);
  const files = stateDir.portFiles(proxyConfig.id);
  const log = createLog(settings.logFormat);
  // PM2 loses lines when its logs are rotated; by hand, all is on stdout.
  const accessLog = settings.isUnderPm2
    ? openAccessLog(stateDir.accessLogFile(proxyConfig.name), proxyConfig.id, log)
    : undefined;
  const predecessor = await replacePredecessor(files.socket);
  const starting = startProxy(
    proxyConfig,
    chooseEngine(proxyConfig.engine),
    log,
    exitWithFailure,
    accessLog && createLog(settings.logFormat, accessLog.write),
  );
  let startedProxy: RunningProxy | undefined;
  let controlServer: ControlServer | undefined;
  const shutDown = shutDownOnSignal(async () => {
    // Whoever asked for it is to find the port free when it has its answer.
    const proxy = startedProxy ?? (await starting);
    controlServer?.announce('leaving');
    await proxy.drain(
      settings.isUnderPm2 ? Math.min(proxyConfig.drainMs, PM2_DRAIN_MS) : proxyConfig.drainMs,
    );
    // Before the control socket: who waits for this process takes its end for the process's.
    await accessLog?.close();
    await controlServer?.close(proxy.report());
    if (readInteger(files.pidFile) === process.pid) removeFile(files.pidFile);
  });
  const proxy = await starting;
  startedProxy = proxy;
  if (predecessor) {
    const downtimeMs = Math.round(performance.now() - predecessor.askedAt);
    const previousProcess = `pid ${readInteger(files.pidFile) ?? 'unknown'}, which PM2 no longer has`;
    log(
      'predecessor_replaced',
      `${proxyConfig.id}: taken over from ${previousProcess}; nobody listened for ${downtimeMs} ms`,
      {
        awayMs: downtimeMs,
      },
    );
    await predecessor.exited;
  }
  const handlers = {
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
  };
  // `steadyport stop` asks who answers, and one that waits does not; one that serves goes on.
  const keepRunning = exitWithPm2(() => !proxy.report().bindings.some(({ state }) => state === 'bound'));
  controlServer = await serveControlWhenFree<ProxyProtocol>(files.socket, handlers, () =>
    log('another_proxy', `Another process answers on ${files.socket}; waiting for it to leave`),
  );
  keepRunning();
  writePidFile(files.pidFile, (error) =>
    log(
      'no_pid_file',
      `${proxyConfig.id}: cannot write ${files.pidFile}: ${error.message}; serving without it`,
    ),
  );
  process.send?.('ready');
};

const openAccessLog = (path: string, id: string, log: Log): FileSink => {
  log('access_log_opened', `${id}: connections are logged in ${path}`, { path });
  return openFileSink(path, (event, message) => log(`access_log_${event}`, `${id}: ${message}`, { path }));
};

/** Nothing hangs on the file: on a full disk the proxy serves without it, and writes it once there is room. */
const writePidFile = (path: string, onFirstFailure: (error: Error) => void): void => {
  try {
    writeAtomic(path, `${process.pid}\n`);
  } catch (error) {
    onFirstFailure(error as Error);
    setTimeout(() => writePidFile(path, () => {}), PID_FILE_RETRY_MS).unref();
  }
};

const PID_FILE_RETRY_MS = 2_000;

/**
 * One process serves a port: one that outlived its PM2 daemon is asked to leave, so that the one that PM2 knows can take
 * its place. It has given its listening sockets up when it answers, and may then finish its connections until `gone`.
 */
const replacePredecessor = async (
  socketPath: string,
): Promise<{ readonly askedAt: number; readonly exited: Promise<unknown> } | undefined> => {
  try {
    const predecessor = await connectControl<ProxyProtocol>(socketPath, ANSWER_TIMEOUT_MS);
    const askedAt = performance.now();
    await predecessor.ask('leave', null, ANSWER_TIMEOUT_MS);
    const exited = Promise.race([predecessor.closed, sleep(PM2_DRAIN_MS + ANSWER_TIMEOUT_MS)]);
    return { askedAt, exited: exited.finally(() => predecessor.close()) };
  } catch {
    // Nobody is there, or nobody answers: the port itself will tell.
    return undefined;
  }
};

const ANSWER_TIMEOUT_MS = 1_000;
