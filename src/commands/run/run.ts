import { setTimeout as sleep } from 'node:timers/promises';
import type { ParsedArgs } from 'minimist';
import { requireConfig } from '../../config/load.ts';
import { LEAVE_UNDER_PM2_MS } from '../../health/stop-deadline.ts';
import { connectControl } from '../../ipc/client.ts';
import { leaveOrphan } from '../../ipc/orphan.ts';
import type { ProxyProtocol } from '../../ipc/protocol.ts';
import { type ControlServer, serveControlWhenFree } from '../../ipc/server.ts';
import { UsageError } from '../../lib/usage-error.ts';
import { type AccessLog, openAccessLog } from '../../logging/file-sink.ts';
import { createLog, type Log } from '../../logging/logger.ts';
import { type Forwarder, startForwarder } from '../../proxy/proxy.ts';
import { chooseEngine } from '../../proxy/select-engine.ts';
import { readInteger, remove, writeAtomic } from '../../system/files.ts';
import { exitFailed, leaveOnSignal, leaveWithPm2 } from '../../system/shutdown.ts';
import { makeHome } from '../../system/state-dir.ts';

/** `steadyport run tcp-proxy-<port>`: one proxy of the config, with its control socket and pid file. */
export const run = async (args: ParsedArgs): Promise<undefined> => {
  const { config, settings } = requireConfig();
  const proxy = config.proxies.find(({ name }) => name === args._[0]);
  if (!proxy) throw new UsageError(`${settings.configPath} has no proxy "${args._[0]}"`);
  const home = makeHome(settings.home, proxy.id);
  const files = home.port(proxy.id);
  const log = createLog(settings.logFormat);
  // PM2 loses lines when its logs are rotated; by hand, all is on stdout.
  const access = settings.underPm2 ? keepAccessLog(home.accessLog(proxy.name), proxy.id, log) : undefined;
  const predecessor = await replacePredecessor(files.socket);
  const starting = startForwarder(
    proxy,
    chooseEngine(proxy.engine),
    log,
    exitFailed,
    access && createLog(settings.logFormat, access.write),
  );
  let started: Forwarder | undefined;
  let control: ControlServer | undefined;
  const leave = leaveOnSignal(async () => {
    // Whoever asked for it is to find the port free when it has its answer.
    const forwarder = started ?? (await starting);
    control?.announce('leaving');
    await forwarder.drain(settings.underPm2 ? Math.min(proxy.drainMs, LEAVE_UNDER_PM2_MS) : proxy.drainMs);
    // Before the control socket: who waits for this process takes its end for the process's.
    await access?.close();
    await control?.close(forwarder.report());
    if (readInteger(files.pid) === process.pid) remove(files.pid);
  });
  const forwarder = await starting;
  started = forwarder;
  if (predecessor) {
    const awayMs = Math.round(performance.now() - predecessor.askedAt);
    const from = `pid ${readInteger(files.pid) ?? 'unknown'}, which PM2 no longer has`;
    log('predecessor_replaced', `${proxy.id}: taken over from ${from}; nobody listened for ${awayMs} ms`, {
      awayMs,
    });
    await predecessor.gone;
  }
  const handlers = {
    report: forwarder.report,
    pulse: () => null,
    leave: () => {
      leave();
      return null;
    },
    listen_again: () => {
      forwarder.listenAgain();
      return null;
    },
    leave_orphan: leaveOrphan(settings, leave),
    expect_check: ({ localPort, forward }: ProxyProtocol['expect_check']['ask']) => {
      forwarder.engine.expectCheck(localPort, forward);
      return null;
    },
  };
  // `steadyport stop` asks who answers, and one that waits does not; one that serves goes on.
  const stay = leaveWithPm2(() => !forwarder.report().bindings.some(({ state }) => state === 'bound'));
  control = await serveControlWhenFree<ProxyProtocol>(files.socket, handlers, () =>
    log('another_proxy', `Another process answers on ${files.socket}; waiting for it to leave`),
  );
  stay();
  keepPid(files.pid, (error) =>
    log('no_pid_file', `${proxy.id}: cannot write ${files.pid}: ${error.message}; serving without it`),
  );
  process.send?.('ready');
};

const keepAccessLog = (path: string, id: string, log: Log): AccessLog => {
  log('access_log_opened', `${id}: connections are logged in ${path}`, { path });
  return openAccessLog(path, (event, sentence) => log(`access_log_${event}`, `${id}: ${sentence}`, { path }));
};

/** Nothing hangs on the file: on a full disk the proxy serves without it, and writes it once there is room. */
const keepPid = (path: string, onFirstFailure: (error: Error) => void): void => {
  try {
    writeAtomic(path, `${process.pid}\n`);
  } catch (error) {
    onFirstFailure(error as Error);
    setTimeout(() => keepPid(path, () => {}), PID_RETRY_MS).unref();
  }
};

const PID_RETRY_MS = 2_000;

/**
 * One process serves a port: one that outlived its PM2 daemon is asked to leave, so that the one that PM2 knows can take
 * its place. It has given its listening sockets up when it answers, and may then finish its connections until `gone`.
 */
const replacePredecessor = async (
  socketPath: string,
): Promise<{ readonly askedAt: number; readonly gone: Promise<unknown> } | undefined> => {
  try {
    const predecessor = await connectControl<ProxyProtocol>(socketPath, ANSWER_TIMEOUT_MS);
    const askedAt = performance.now();
    await predecessor.ask('leave', null, ANSWER_TIMEOUT_MS);
    const gone = Promise.race([predecessor.closed, sleep(LEAVE_UNDER_PM2_MS + ANSWER_TIMEOUT_MS)]);
    return { askedAt, gone: gone.finally(() => predecessor.close()) };
  } catch {
    // Nobody is there, or nobody answers: the port itself will tell.
    return undefined;
  }
};

const ANSWER_TIMEOUT_MS = 1_000;
