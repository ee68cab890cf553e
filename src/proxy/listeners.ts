import type { ForwardingConfig } from '../config/config.ts';
import { type Address, expandLocalhost, formatAddress, isUnixSocket } from '../lib/address.ts';
import { bindAddresses, sharesPort } from '../lib/listen-spec.ts';
import type { Log } from '../logging/logger.ts';
import { localAddresses } from '../system/proc/network-interfaces.ts';
import { conflicts, findPortOwner, formatPortOwner } from '../system/proc/port-owner.ts';
import { findListeners } from '../system/proc/socket-table.ts';
import { isSocketFile } from '../system/unix-socket.ts';
import type { Engine } from './engine.ts';
import type { Binding } from './report.ts';

/** The listeners of one proxy, and the reasons why an address is not bound. */
export interface Listeners {
  list(): readonly Binding[];
  /**
   * Tries every address that is not bound, and closes the listeners of addresses that this host no longer has. A call
   * waits until earlier calls of `rebind` and `relisten` are done.
   */
  rebind(): Promise<void>;
  /** Closes the listening sockets and opens them anew. Waits as `rebind` does. */
  relisten(): Promise<void>;
  /** Binds nothing more from now on. */
  stop(): void;
}

export const createListeners = (config: ForwardingConfig, engine: Engine, log: Log): Listeners => {
  const bindings = new Map<string, Binding>();
  const runInTurn = createSerialQueue();
  let isStopped = false;

  const bind = async (address: Address): Promise<void> => {
    const key = formatAddress(address);
    const previous = bindings.get(key);
    const isFileGone = isUnixSocket(address) && !isSocketFile(address.host);
    if (previous?.state === 'bound' && !isFileGone) return;
    await engine.unlisten(address);
    if (isStopped) return;
    const current = await tryListen(address, engine, config);
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
    rebind: () => runInTurn(rebind),
    relisten: () => runInTurn(relisten),
    stop: () => {
      isStopped = true;
    },
  };
};

/** Runs each task after the ones before it, whether they succeeded or not: two at a time would bind an address twice. */
const createSerialQueue = (): ((task: () => Promise<void>) => Promise<void>) => {
  let last = Promise.resolve();
  return (task) => {
    last = last.then(task, task);
    return last;
  };
};

/** Listens on the address. A failure is a state of the binding that is returned, not a rejection. */
const tryListen = async (address: Address, engine: Engine, config: ForwardingConfig): Promise<Binding> => {
  const bound: Binding = {
    address: formatAddress(address),
    ...address,
    state: 'bound',
    code: null,
    portOwner: null,
  };
  try {
    await engine.listen(address);
    return bound;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'EUNKNOWN';
    if (code !== 'EADDRINUSE') return { ...bound, state: 'failed', code };
    const state = isServedByUpstream(config) ? 'not_needed' : 'in_use';
    return { ...bound, state, code, portOwner: findPortOwner(address) };
  }
};

const describeBinding = ({ address, state, code, portOwner }: Binding): string => {
  if (state === 'bound') return `listening on ${address}`;
  if (state === 'not_needed') return `${address} is not needed: the upstream listens there itself`;
  if (state === 'failed') return `cannot listen on ${address} (${code}); trying again`;
  return `${address} is in use${portOwner ? ` by ${formatPortOwner(portOwner)}` : ''}; trying again`;
};

/**
 * True when the upstream shares the port and holds the address itself, with a wildcard listener. Every listener that covers
 * the upstream's own address must be such a wildcard: otherwise the owner of the wildcard may be a stranger.
 */
const isServedByUpstream = ({ listen, upstream }: ForwardingConfig): boolean => {
  if (!sharesPort(listen, upstream)) return false;
  const upstreamListeners = (findListeners(upstream.port) ?? []).filter((listener) =>
    expandLocalhost(upstream.host).some((host) => conflicts(listener, { host, port: upstream.port })),
  );
  return (
    upstreamListeners.length > 0 && upstreamListeners.every(({ host }) => host === '0.0.0.0' || host === '::')
  );
};
