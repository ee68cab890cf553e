import type { ProxyConfig } from '../config/config.ts';
import { type Address, formatAddress, isUnix, literalHosts } from '../lib/address.ts';
import { bindAddresses, covers, sharesPort } from '../lib/listen-spec.ts';
import type { Log } from '../logging/logger.ts';
import { localAddresses } from '../system/proc/network-interfaces.ts';
import { formatHolder, type Holder, holderOf } from '../system/proc/port-owner.ts';
import { type Listener, listenerOnFile, listenersOn } from '../system/proc/socket-table.ts';
import { isSocket } from '../system/unix-socket.ts';
import type { Engine } from './engine.ts';
import type { Binding } from './report.ts';

/** Where one proxy listens, and why it does not where it should. */
export interface Bindings {
  list(): readonly Binding[];
  /** A try at every address that is not bound; those that this host no longer has are let go. */
  rebind(): Promise<void>;
  /** Closes the listening sockets and opens them anew. */
  listenAgain(): Promise<void>;
  /** From now on nothing more is bound. */
  stop(): void;
}

export const createBindings = (proxy: ProxyConfig, engine: Engine, log: Log): Bindings => {
  const bindings = new Map<string, Binding>();
  let isStopped = false;

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
    for (const address of wanted) if (!isStopped) await bind(address);
  };

  const listenAgain = async (): Promise<void> => {
    for (const [key, binding] of bindings) {
      bindings.delete(key);
      await engine.unlisten(binding);
    }
    await rebind();
  };

  return {
    list: () => [...bindings.values()],
    rebind,
    listenAgain,
    stop: () => {
      isStopped = true;
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
