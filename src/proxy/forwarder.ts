import {
  type Address,
  bindAddresses,
  covers,
  formatAddress,
  literalHosts,
  sharesPort,
} from '../core/address.ts';
import type { ProxyConfig } from '../core/config.ts';
import { REASONS } from '../core/reasons.ts';
import { formatHolder, type Holder } from '../core/status.ts';
import type { Binding, ProxyReport } from '../host/control.ts';
import type { Log } from '../host/log.ts';
import { holderOf, type Listener, listenersOn, localAddresses } from '../host/procfs.ts';
import type { ConnectionRecord, CreateEngine, Engine } from './engine.ts';

/** Addresses come and go, and a taken port may be free again: looked at this often. */
const REBIND_MS = 2_000;

export interface Forwarder {
  report(): ProxyReport;
  readonly engine: Engine;
  /** Stops listening and lets what is open finish; see {@link Engine.drain}. */
  drain(limitMs: number): Promise<void>;
}

/** Listens for one proxy and keeps on trying: settles after the first try at every address. */
export const startForwarder = async (
  proxy: ProxyConfig,
  createEngine: CreateEngine,
  log: Log,
): Promise<Forwarder> => {
  const startedAtMs = Date.now();
  const bindings = new Map<string, Binding>();
  let leaving = false;
  let local = localAddresses();
  const engine = createEngine(proxy, {
    localAddresses: () => local,
    onEnd: (record) => log('connection', describe(proxy, record), { proxy: proxy.name, ...record }),
  });

  const bind = async (address: Address): Promise<void> => {
    const key = formatAddress(address);
    const before = bindings.get(key);
    if (before?.state === 'bound') return;
    let now: Binding = { address: key, ...address, state: 'bound', code: null, holder: null };
    try {
      await engine.listen(address);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'EUNKNOWN';
      const holder = code === 'EADDRINUSE' ? findHolder(address) : null;
      now = { ...now, state: code === 'EADDRINUSE' ? 'in_use' : 'failed', code, holder };
    }
    bindings.set(key, now);
    if (before?.state !== now.state || before.holder?.pid !== now.holder?.pid)
      log('listen', sentence(now), { proxy: proxy.name, ...now });
  };

  const rebind = async (): Promise<void> => {
    local = localAddresses();
    const wanted = bindAddresses(proxy.listen, proxy.upstream, local);
    for (const [key, binding] of bindings) {
      if (wanted.some((address) => formatAddress(address) === key)) continue;
      bindings.delete(key);
      await engine.unlisten(binding);
      log('listen', `${key} is no longer an address of this host`, { proxy: proxy.name, address: key });
    }
    for (const address of wanted) if (!leaving) await bind(address);
  };

  await rebind();
  const timer = setInterval(() => void rebind(), REBIND_MS);

  return {
    engine,
    report: () => ({
      pid: process.pid,
      startedAtMs,
      engine: engine.name,
      bindings: [...bindings.values()],
      notNeeded: isNotNeeded(proxy, [...bindings.values()]),
      connections: engine.counts(),
    }),
    drain: async (limitMs) => {
      leaving = true;
      clearInterval(timer);
      await engine.drain(limitMs);
    },
  };
};

const sentence = ({ address, state, code, holder }: Binding): string => {
  if (state === 'bound') return `listening on ${address}`;
  if (state === 'failed') return `cannot listen on ${address} (${code}); trying again`;
  return `${address} is in use${holder ? ` by ${formatHolder(holder)}` : ''}; trying again`;
};

const findHolder = (address: Address): Holder | null => {
  const listener = listenersOn(address.port)?.find((other) => conflicts(other, address));
  return listener ? holderOf(listener) : null;
};

/** Two listeners conflict when one is a wildcard that has the other's address, or when they are the same. */
const conflicts = (listener: Listener, address: Address): boolean =>
  covers(listener, address, [address.host]) ||
  covers(address, listener, [listener.host]) ||
  listener.host === address.host.replace(/%.*$/, '') ||
  listener.host === '::';

/**
 * The upstream shares the port, listens on every address already, and is what holds the bindings: the
 * holder must be the one that answers on the upstream's own address too, or it is a stranger.
 */
const isNotNeeded = ({ listen, upstream }: ProxyConfig, bindings: readonly Binding[]): boolean => {
  if (!sharesPort(listen, upstream) || bindings.length === 0) return false;
  if (bindings.some(({ state }) => state !== 'in_use')) return false;
  const listeners = listenersOn(upstream.port) ?? [];
  const answering = listeners.filter((listener) =>
    literalHosts(upstream.host).some((host) => conflicts(listener, { host, port: upstream.port })),
  );
  const wildcards = listeners.filter(({ host }) => host === '0.0.0.0' || host === '::');
  return answering.length > 0 && answering.every((listener) => wildcards.includes(listener));
};

const describe = (proxy: ProxyConfig, record: ConnectionRecord): string => {
  const { client, upstream, reason, code, bytesToUpstream, bytesToClient, totalMs, active, tries } = record;
  const why = `${REASONS[reason].text}${code ? ` (${code})` : ''}${tries > 1 ? ` after ${tries} tries` : ''}`;
  const hint =
    reason === 'not_allowed'
      ? `; to let it in: "allow": ${JSON.stringify([...proxy.allow, client.host])}`
      : '';
  return (
    `${proxy.port}: ${formatAddress(client)} → ${formatAddress(upstream ?? proxy.upstream)} ${why}${hint}, ` +
    `${bytesToUpstream} B up, ${bytesToClient} B down, ${totalMs} ms, ${active} active`
  );
};
