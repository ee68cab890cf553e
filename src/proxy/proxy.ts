/**
 * The room proxy: one forwarder, from its listeners through the admission of clients to the records of their connections.
 * Two engines move the bytes: portable/ on node:net, and kernel/ on epoll and splice in a thread of its own.
 */

import type { ForwardingConfig } from '../config/config.ts';
import { type Address, formatAddress } from '../lib/address.ts';
import { CLOSE_REASONS } from '../lib/close-reason.ts';
import { createPeriodicTask } from '../lib/timers/periodic-task.ts';
import type { Log } from '../logging/logger.ts';
import { createStatsCollector } from './connection-stats.ts';
import type { ConnectionRecord, CreateEngine, Engine, EngineHooks } from './engine.ts';
import { createListeners } from './listeners.ts';
import { allowHintFor, createRefusalLog } from './refusal-log.ts';
import type { ProxyReport, RefusedClient } from './report.ts';

/**
 * The interval at which each address that is not bound is tried again: addresses come and go, and a taken port may
 * become free.
 */
const REBIND_INTERVAL_MS = 2_000;

export interface ProxyOptions {
  /** The log of connections; `log` then gets a line for refused clients. Default: `log`. */
  readonly accessLog?: Log | undefined;
  /** Default: REBIND_INTERVAL_MS. */
  readonly rebindIntervalMs?: number;
}

export interface RunningProxy {
  report(): ProxyReport;
  /** Closes the listening sockets and opens them anew. Open connections go on. */
  relisten(): void;
  readonly engine: Engine;
  /** Stops listening and gives open connections time to finish; see {@link Engine.drain}. */
  drain(limitMs: number): Promise<void>;
}

/**
 * Starts one proxy. The promise settles after the first try at every address; addresses that could not be bound are
 * tried again every `rebindIntervalMs`.
 * @param onDeath called when the engine has failed: the failure is logged already, and nothing is served any more
 */
export const startProxy = async (
  config: ForwardingConfig,
  createEngine: CreateEngine,
  log: Log,
  onDeath: () => void,
  { accessLog = log, rebindIntervalMs = REBIND_INTERVAL_MS }: ProxyOptions = {},
): Promise<RunningProxy> => {
  const startedAt = Date.now();
  const stats = createStatsCollector();
  let lastNotAllowed: RefusedClient | null = null;
  const onEnd = ({ reason, client, isConnected, connectMs, totalMs }: ConnectionRecord): void => {
    stats.add(reason, isConnected ? connectMs : null, totalMs);
    if (reason === 'not_allowed') lastNotAllowed = { host: client.host, at: Date.now() };
  };
  const engine = await createEngine(config, createEngineHooks(config, onEnd, log, onDeath, accessLog));
  const listeners = createListeners(config, engine, log);
  await listeners.rebind();
  log('engine', `${config.id}: ${engine.name} engine${engine.reason ? ` (${engine.reason})` : ''}`, {
    proxy: config.name,
    engine: engine.name,
    why: engine.reason ?? null,
  });
  const rebindTask = createPeriodicTask({ run: listeners.rebind, intervalMs: () => rebindIntervalMs });
  // The first try is done.
  rebindTask.runIn(rebindIntervalMs);

  return {
    engine,
    report: () => ({
      pid: process.pid,
      startedAt,
      engine: engine.name,
      engineReason: engine.reason ?? null,
      dataPath: engine.dataPath(),
      bindings: listeners.list(),
      connections: { ...engine.counts(), ...stats.read() },
      lastNotAllowed,
      cpuMs: cpuMs(),
    }),
    relisten: () => void listeners.relisten(),
    drain: async (limitMs) => {
      listeners.stop();
      rebindTask.stop();
      await engine.drain(limitMs);
    },
  };
};

/** Counts (`onEnd`) and logs what happens to the connections of the engine, and to the engine itself. */
const createEngineHooks = (
  config: ForwardingConfig,
  onEnd: EngineHooks['onEnd'],
  log: Log,
  onDeath: () => void,
  accessLog: Log,
): EngineHooks => {
  const logRefusal = accessLog === log ? undefined : createRefusalLog(config, log);
  const onOpen = (client: Address, upstream: Address): void =>
    accessLog('open', `${config.id}: ${formatAddress(client)} → ${formatAddress(upstream)} open`, {
      proxy: config.name,
      client,
      upstream,
    });
  return {
    ...(config.logOpen ? { onOpen } : {}),
    onDeath: (cause) => {
      const rootCause = cause.cause instanceof Error ? cause.cause : cause;
      log('engine_failed', `${config.id}: ${cause.message}: ${rootCause.message}`, {
        error: rootCause.stack,
      });
      onDeath();
    },
    onError: (error) => log('accept_failed', `${config.id}: ${error.message}`, { proxy: config.name }),
    onEnd: (record) => {
      onEnd(record);
      accessLog('connection', describeConnection(config, record), () => ({
        proxy: config.name,
        ...record,
        haproxy: CLOSE_REASONS[record.reason].haproxy,
      }));
      logRefusal?.(record);
    },
  };
};

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

const describeConnection = (config: ForwardingConfig, record: ConnectionRecord): string => {
  const { client, upstream, reason, code, bytesToUpstream, bytesToClient, active, tries } = record;
  const outcome = `${CLOSE_REASONS[reason].text}${code ? ` (${code})` : ''}${tries > 1 ? ` after ${tries} tries` : ''}`;
  const route = `${formatAddress(client)} → ${formatAddress(upstream ?? config.upstream)}`;
  return (
    `${config.id}: ${route} ${outcome}${allowHintFor(config, record)}, ` +
    `${bytesToUpstream} B up, ${bytesToClient} B down, ` +
    `hold ${record.holdMs} ms, connect ${record.connectMs} ms, total ${record.totalMs} ms, ${active} active`
  );
};
