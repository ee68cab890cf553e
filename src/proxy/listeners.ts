import type { ProxyConfig } from '../config/config.ts';
import { type Address, expandLocalhost, formatAddress, isUnixSocket } from '../lib/address.ts';
import { bindAddresses, covers, sharesPort } from '../lib/listen-spec.ts';
import type { Log } from '../logging/logger.ts';
import { localAddresses } from '../system/proc/network-interfaces.ts';
import { formatPortOwner, ownerOf, type PortOwner } from '../system/proc/port-owner.ts';
import { findListeners, findUnixListener, type Listener } from '../system/proc/socket-table.ts';
import { isSocketFile } from '../system/unix-socket.ts';
import type { Engine } from './engine.ts';
import type { Binding } from './report.ts';

/** Where one proxy listens, and why it does not where it should. */
export interface Listeners {
  list(): readonly Binding[];
  /** A try at every address that is not bound; those that this host no longer has are let go. */
  rebind(): Promise<void>;
  /** Closes the listening sockets and opens them anew. */
  relisten(): Promise<void>;
  /** From now on nothing more is bound. */
  stop(): void;
}

export const createListeners = (config: ProxyConfig, engine: Engine, log: Log): Listeners => {
  const bindings = new Map<string, Binding>();
  let isStopped = false;

  const bind = async (address: Address): Promise<void> => {
    const key = formatAddress(address);
    const previous = bindings.get(key);
    const isFileGone = isUnixSocket(address) && !isSocketFile(address.host);
    if (previous?.state === 'bound' && !isFileGone) return;
    await engine.unlisten(address);
    let current: Binding = { address: key, ...address, state: 'bound', code: null, portOwner: null };
    try {
      await engine.listen(address);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'EUNKNOWN';
      const portOwner = code === 'EADDRINUSE' ? findPortOwner(address) : null;
      const busyState = isServedByUpstream(config) ? 'not_needed' : 'in_use';
      current = { ...current, state: code === 'EADDRINUSE' ? busyState : 'failed', code, portOwner };
    }
    bindings.set(key, current);
    if (previous?.state !== current.state || previous.portOwner?.pid !== current.portOwner?.pid)
      log('listen', describeBinding(current), { proxy: config.name, ...current });
  };

  const rebind = async (): Promise<void> => {
    const ownAddresses = localAddresses();
    engine.setLocalAddresses(ownAddresses);
    const listenAddresses = bindAddresses(config.listen, config.upstream, ownAddresses);
    for (const [key, binding] of bindings) {
      if (listenAddresses.some((address) => formatAddress(address) === key)) continue;
      bindings.delete(key);
      await engine.unlisten(binding);
      log('listen', `${key} is no longer an address of this host`, { proxy: config.name, address: key });
    }
    for (const address of listenAddresses) if (!isStopped) await bind(address);
  };

  const relisten = async (): Promise<void> => {
    for (const [key, binding] of bindings) {
      bindings.delete(key);
      await engine.unlisten(binding);
    }
    await rebind();
  };

  return {
    list: () => [...bindings.values()],
    rebind,
    relisten,
    stop: () => {
      isStopped = true;
    },
  };
};

const describeBinding = ({ address, state, code, portOwner }: Binding): string => {
  if (state === 'bound') return `listening on ${address}`;
  if (state === 'not_needed') return `${address} is not needed: the upstream listens there itself`;
  if (state === 'failed') return `cannot listen on ${address} (${code}); trying again`;
  return `${address} is in use${portOwner ? ` by ${formatPortOwner(portOwner)}` : ''}; trying again`;
};

const findPortOwner = (address: Address): PortOwner | null => {
  const listener = isUnixSocket(address)
    ? findUnixListener(address.host)
    : findListeners(address.port)?.find((candidate) => conflicts(candidate, address));
  return listener ? ownerOf(listener) : null;
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
const isServedByUpstream = ({ listen, upstream }: ProxyConfig): boolean => {
  if (!sharesPort(listen, upstream)) return false;
  const upstreamListeners = (findListeners(upstream.port) ?? []).filter((listener) =>
    expandLocalhost(upstream.host).some((host) => conflicts(listener, { host, port: upstream.port })),
  );
  return (
    upstreamListeners.length > 0 && upstreamListeners.every(({ host }) => host === '0.0.0.0' || host === '::')
  );
};
