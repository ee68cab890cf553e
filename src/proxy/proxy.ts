import type { ProxyConfig } from '../config/config.ts';
import { type Address, formatAddress } from '../lib/address.ts';
import { CLOSE_REASONS } from '../lib/close-reason.ts';
import type { Log } from '../logging/logger.ts';
import { createStatsCollector } from './connection-stats.ts';
import type { ConnectionRecord, CreateEngine, Engine } from './engine.ts';
import { createListeners } from './listeners.ts';
import { allowHintFor, createRefusalLog } from './refusal-log.ts';
import type { ProxyReport } from './report.ts';

/** Addresses come and go, and a taken port may be free again: looked at this often. */
const REBIND_INTERVAL_MS = 2_000;

export interface RunningProxy {
  report(): ProxyReport;
  /** Closes the listening sockets and opens them anew; open connections go on. */
  relisten(): void;
  readonly engine: Engine;
  /** Stops listening and lets what is open finish; see {@link Engine.drain}. */
  drain(limitMs: number): Promise<void>;
}

/**
 * Listens for one proxy and keeps on trying: settles after the first try at every address.
 * @param onDeath the engine has failed, which was logged: nothing is served any more
 * @param accessLog where the connections are told, when not in the log; there, refused clients are then mentioned
 */
export const startProxy = async (
  config: ProxyConfig,
  createEngine: CreateEngine,
  log: Log,
  onDeath: () => void,
  accessLog: Log = log,
): Promise<RunningProxy> => {
  const startedAt = Date.now();
  const stats = createStatsCollector();
  const logRefusal = accessLog === log ? undefined : createRefusalLog(config, log);
  const onOpen = (client: Address, upstream: Address): void =>
    accessLog('open', `${config.id}: ${formatAddress(client)} → ${formatAddress(upstream)} open`, {
      proxy: config.name,
      client,
      upstream,
    });
  const engine = await createEngine(config, {
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
      const { reason, connectMs, totalMs } = record;
      stats.add(reason, record.isConnected ? connectMs : null, totalMs);
      accessLog('connection', describeConnection(config, record), () => ({
        proxy: config.name,
        ...record,
        haproxy: CLOSE_REASONS[reason].haproxy,
      }));
      logRefusal?.(record);
    },
  });

  const listeners = createListeners(config, engine, log);
  await listeners.rebind();
  log('engine', `${config.id}: ${engine.name} engine${engine.reason ? ` (${engine.reason})` : ''}`, {
    proxy: config.name,
    engine: engine.name,
    why: engine.reason ?? null,
  });
  const rebindTimer = setInterval(() => void listeners.rebind(), REBIND_INTERVAL_MS);

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
      cpuMs: cpuMs(),
    }),
    relisten: () => void listeners.relisten(),
    drain: async (limitMs) => {
      listeners.stop();
      clearInterval(rebindTimer);
      await engine.drain(limitMs);
    },
  };
};

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

const describeConnection = (config: ProxyConfig, record: ConnectionRecord): string => {
  const { client, upstream, reason, code, bytesToUpstream, bytesToClient, active, tries } = record;
  const outcome = `${CLOSE_REASONS[reason].text}${code ? ` (${code})` : ''}${tries > 1 ? ` after ${tries} tries` : ''}`;
  return (
    `${config.id}: ${formatAddress(client)} → ${formatAddress(upstream ?? config.upstream)} ${outcome}${allowHintFor(config, record)}, ` +
    `${bytesToUpstream} B up, ${bytesToClient} B down, ` +
    `hold ${record.holdMs} ms, connect ${record.connectMs} ms, total ${record.totalMs} ms, ${active} active`
  );
};
