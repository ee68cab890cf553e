import type { ProxyConfig } from '../config/config.ts';
import { type Address, formatAddress } from '../lib/address.ts';
import { REASONS } from '../lib/close-reason.ts';
import type { Log } from '../logging/logger.ts';
import { createCounter } from './connection-stats.ts';
import type { ConnectionRecord, CreateEngine, Engine } from './engine.ts';
import { createBindings } from './listeners.ts';
import { createRefusals, hintFor } from './refusal-log.ts';
import type { ProxyReport } from './report.ts';

/** Addresses come and go, and a taken port may be free again: looked at this often. */
const REBIND_MS = 2_000;

export interface Forwarder {
  report(): ProxyReport;
  /** Closes the listening sockets and opens them anew; open connections go on. */
  listenAgain(): void;
  readonly engine: Engine;
  /** Stops listening and lets what is open finish; see {@link Engine.drain}. */
  drain(limitMs: number): Promise<void>;
}

/**
 * Listens for one proxy and keeps on trying: settles after the first try at every address.
 * @param onDeath the engine has failed, which was logged: nothing is served any more
 * @param access where the connections are told, when not in the log; there, refused clients are then mentioned
 */
export const startForwarder = async (
  proxy: ProxyConfig,
  createEngine: CreateEngine,
  log: Log,
  onDeath: () => void,
  access: Log = log,
): Promise<Forwarder> => {
  const startedAtMs = Date.now();
  const counter = createCounter();
  const mention = access === log ? undefined : createRefusals(proxy, log);
  const onOpen = (client: Address, upstream: Address): void =>
    access('open', `${proxy.id}: ${formatAddress(client)} → ${formatAddress(upstream)} open`, {
      proxy: proxy.name,
      client,
      upstream,
    });
  const engine = await createEngine(proxy, {
    ...(proxy.logOpen ? { onOpen } : {}),
    onDeath: (cause) => {
      const why = cause.cause instanceof Error ? cause.cause : cause;
      log('engine_failed', `${proxy.id}: ${cause.message}: ${why.message}`, { error: why.stack });
      onDeath();
    },
    onError: (error) => log('accept_failed', `${proxy.id}: ${error.message}`, { proxy: proxy.name }),
    onEnd: (record) => {
      const { reason, connectMs, totalMs } = record;
      counter.add(reason, record.isConnected ? connectMs : null, totalMs);
      access('connection', describe(proxy, record), () => ({
        proxy: proxy.name,
        ...record,
        haproxy: REASONS[reason].haproxy,
      }));
      mention?.(record);
    },
  });

  const bindings = createBindings(proxy, engine, log);
  await bindings.rebind();
  log('engine', `${proxy.id}: ${engine.name} engine${engine.why ? ` (${engine.why})` : ''}`, {
    proxy: proxy.name,
    engine: engine.name,
    why: engine.why ?? null,
  });
  const timer = setInterval(() => void bindings.rebind(), REBIND_MS);

  return {
    engine,
    report: () => ({
      pid: process.pid,
      startedAtMs,
      engine: engine.name,
      engineReason: engine.why ?? null,
      dataPath: engine.dataPath(),
      bindings: bindings.list(),
      connections: { ...engine.counts(), ...counter.tally() },
      cpuMs: cpuMs(),
    }),
    listenAgain: () => void bindings.listenAgain(),
    drain: async (limitMs) => {
      bindings.stop();
      clearInterval(timer);
      await engine.drain(limitMs);
    },
  };
};

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

const describe = (proxy: ProxyConfig, record: ConnectionRecord): string => {
  const { client, upstream, reason, code, bytesToUpstream, bytesToClient, active, tries } = record;
  const why = `${REASONS[reason].text}${code ? ` (${code})` : ''}${tries > 1 ? ` after ${tries} tries` : ''}`;
  return (
    `${proxy.id}: ${formatAddress(client)} → ${formatAddress(upstream ?? proxy.upstream)} ${why}${hintFor(proxy, record)}, ` +
    `${bytesToUpstream} B up, ${bytesToClient} B down, ` +
    `hold ${record.holdMs} ms, connect ${record.connectMs} ms, total ${record.totalMs} ms, ${active} active`
  );
};
