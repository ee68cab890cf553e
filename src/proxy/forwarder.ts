import {
  type Address,
  bindAddresses,
  covers,
  formatAddress,
  isUnix,
  literalHosts,
  sharesPort,
} from '../core/address.ts';
import type { ProxyConfig } from '../core/config.ts';
import { createCounter } from '../core/counters.ts';
import { formatHolder, type Holder } from '../core/holder.ts';
import { REASONS } from '../core/reasons.ts';
import type { Binding, ProxyReport } from '../host/control.ts';
import type { Log } from '../host/log.ts';
import { holderOf, localAddresses } from '../host/procfs.ts';
import { type Listener, listenerOnFile, listenersOn } from '../host/socket-table.ts';
import { isSocket } from '../host/unix-socket.ts';
import type { ConnectionRecord, CreateEngine, Engine } from './engine.ts';

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
 */
export const startForwarder = async (
  proxy: ProxyConfig,
  createEngine: CreateEngine,
  log: Log,
  onDeath: () => void,
): Promise<Forwarder> => {
  const startedAtMs = Date.now();
  const bindings = new Map<string, Binding>();
  let leaving = false;
  const counter = createCounter();
  const onOpen = (client: Address, upstream: Address): void =>
    log('open', `${proxy.id}: ${formatAddress(client)} → ${formatAddress(upstream)} open`, {
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
      log('connection', describe(proxy, record), () => ({
        proxy: proxy.name,
        ...record,
        haproxy: REASONS[reason].haproxy,
      }));
    },
  });

  const bind = async (address: Address): Promise<void> => {
    const key = formatAddress(address);
    const before = bindings.get(key);
    const isGone = isUnix(address) && !isSocket(address.host);
    if (before?.state === 'bound' && !isGone) return;
    await engine.unlisten(address);
    let now: Binding = { address: key, ...address, state: 'bound', code: null, holder: null };
    try {
      await engine.listen(address);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'EUNKNOWN';
      const holder = code === 'EADDRINUSE' ? findHolder(address) : null;
      const taken = isUpstreams(proxy) ? 'not_needed' : 'in_use';
      now = { ...now, state: code === 'EADDRINUSE' ? taken : 'failed', code, holder };
    }
    bindings.set(key, now);
    if (before?.state !== now.state || before.holder?.pid !== now.holder?.pid)
      log('listen', sentence(now), { proxy: proxy.name, ...now });
  };

  const rebind = async (): Promise<void> => {
    const local = localAddresses();
    engine.setLocalAddresses(local);
    const wanted = bindAddresses(proxy.listen, proxy.upstream, local);
    for (const [key, binding] of bindings) {
      if (wanted.some((address) => formatAddress(address) === key)) continue;
      bindings.delete(key);
      await engine.unlisten(binding);
      log('listen', `${key} is no longer an address of this host`, { proxy: proxy.name, address: key });
    }
    for (const address of wanted) if (!leaving) await bind(address);
  };

  const listenAgain = async (): Promise<void> => {
    for (const [key, binding] of bindings) {
      bindings.delete(key);
      await engine.unlisten(binding);
    }
    await rebind();
  };

  await rebind();
  log('engine', `${proxy.id}: ${engine.name} engine${engine.why ? ` (${engine.why})` : ''}`, {
    proxy: proxy.name,
    engine: engine.name,
    why: engine.why ?? null,
  });
  const timer = setInterval(() => void rebind(), REBIND_MS);

  return {
    engine,
    report: () => ({
      pid: process.pid,
      startedAtMs,
      engine: engine.name,
      engineReason: engine.why ?? null,
      dataPath: engine.dataPath(),
      bindings: [...bindings.values()],
      connections: { ...engine.counts(), ...counter.tally() },
    }),
    listenAgain: () => void listenAgain(),
    drain: async (limitMs) => {
      leaving = true;
      clearInterval(timer);
      await engine.drain(limitMs);
    },
  };
};

const sentence = ({ address, state, code, holder }: Binding): string => {
  if (state === 'bound') return `listening on ${address}`;
  if (state === 'not_needed') return `${address} is not needed: the upstream listens there itself`;
  if (state === 'failed') return `cannot listen on ${address} (${code}); trying again`;
  return `${address} is in use${holder ? ` by ${formatHolder(holder)}` : ''}; trying again`;
};

const findHolder = (address: Address): Holder | null => {
  const listener = isUnix(address)
    ? listenerOnFile(address.host)
    : listenersOn(address.port)?.find((other) => conflicts(other, address));
  return listener ? holderOf(listener) : null;
};

/** Two listeners conflict when one is a wildcard that has the other's address, or when they are the same. */
const conflicts = (listener: Listener, address: Address): boolean =>
  covers(listener, address, [address.host]) ||
  covers(address, listener, [listener.host]) ||
  listener.host === address.host.replace(/%.*$/, '') ||
  listener.host === '::';

/**
 * The upstream shares the port and holds the address itself, by a wildcard. What answers on the upstream's own
 * address must be that wildcard, or its holder is a stranger.
 */
const isUpstreams = ({ listen, upstream }: ProxyConfig): boolean => {
  if (!sharesPort(listen, upstream)) return false;
  const answering = (listenersOn(upstream.port) ?? []).filter((listener) =>
    literalHosts(upstream.host).some((host) => conflicts(listener, { host, port: upstream.port })),
  );
  return answering.length > 0 && answering.every(({ host }) => host === '0.0.0.0' || host === '::');
};

const describe = (proxy: ProxyConfig, record: ConnectionRecord): string => {
  const { client, upstream, reason, code, bytesToUpstream, bytesToClient, active, tries } = record;
  const why = `${REASONS[reason].text}${code ? ` (${code})` : ''}${tries > 1 ? ` after ${tries} tries` : ''}`;
  const hint =
    reason === 'not_allowed'
      ? `; to let it in: "allow": ${JSON.stringify([...proxy.allow, client.host])}`
      : '';
  return (
    `${proxy.id}: ${formatAddress(client)} → ${formatAddress(upstream ?? proxy.upstream)} ${why}${hint}, ` +
    `${bytesToUpstream} B up, ${bytesToClient} B down, ` +
    `hold ${record.holdMs} ms, connect ${record.connectMs} ms, total ${record.totalMs} ms, ${active} active`
  );
};
