/**
 * The room proxy/portable: the portable engine, on node:net, for any operating system.
 * Streams move the bytes, on the process's one event loop.
 */

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, canonicalHost, formatAddress, ipFamily, isUnixSocket } from '../../lib/address.ts';
import { createDebug, isDebugEnabled } from '../../system/debug.ts';
import { resolveAddress } from '../../system/dns.ts';
import { listenOnUnixSocket } from '../../system/unix-socket.ts';
import { type Admission, createAdmission } from '../admission.ts';
import { RetryGate } from '../connection/retry-gate.ts';
import { createSelfConnectGuard } from '../connection/self-connect-guard.ts';
import { type Candidate, createUpstreamAddresses } from '../connection/upstream-addresses.ts';
import type { CreateEngine } from '../engine.ts';
import { PortableConnection, type SharedContext } from './connection.ts';
import { KEEPALIVE_DELAY_MS, SOCKET_OPTIONS } from './socket-side.ts';
import { createTimers } from './timers.ts';

/** Creates the engine on node:net. */
export const createPortableEngine: CreateEngine = async (policy, hooks) => {
  const listeners = new Map<string, Listener>();
  const connectFailures: Record<string, number> = {};
  const moved = { bytesToUpstream: 0, bytesToClient: 0 };
  const timers = createTimers();
  let isDraining = false;
  const listenAddresses = (): readonly Address[] => [...listeners.values()].map(({ address }) => address);
  const upstreamAddresses = createUpstreamAddresses<Candidate>(
    policy.upstream,
    { create: (address) => ({ address }), release: () => {} },
    () =>
      void resolveAddress(policy.upstream, 0).then((resolved) => upstreamAddresses.set(resolved, timers.now)),
  );
  const shared: SharedContext = {
    timers,
    gate: new RetryGate(timers),
    guard: createSelfConnectGuard(listenAddresses),
    upstreamAddresses,
    flushChecks: FLUSH_CHECKS,
    logDial: isDebugEnabled('dial') ? createDebug('dial') : undefined,
    onBytesMoved: (isToUpstream, bytes) => {
      moved[isToUpstream ? 'bytesToUpstream' : 'bytesToClient'] += bytes;
    },
  };

  const admission = createAdmission<Socket>(policy, hooks, {
    create: (client, from, context) => new PortableConnection(client, from, context, shared),
    answerCheck,
    listenAddresses,
    onConnectFailure: (code) => {
      connectFailures[code] = (connectFailures[code] ?? 0) + 1;
    },
  });

  const listen = async (address: Address): Promise<Address> => {
    const listener = await openListener(address, admission.accept, hooks.onError);
    listeners.set(formatAddress(listener.address), listener);
    if (isDraining) {
      await unlisten(listener.address);
      throw Object.assign(new Error('the proxy stops listening'), { code: 'ECANCELED' });
    }
    return listener.address;
  };

  const unlisten = async (address: Address): Promise<void> => {
    const key = formatAddress(address);
    listeners.get(key)?.server.close();
    listeners.delete(key);
  };

  return {
    name: 'portable',
    listen,
    unlisten,
    setLocalAddresses: admission.setLocalAddresses,
    expectCheck: admission.expectCheck,
    retractCheck: admission.retractCheck,
    dataPath: () => 'unknown',
    counts: () => ({ ...admission.counts(), ...moved, connectFailures: { ...connectFailures } }),
    drain: async (limitMs) => {
      isDraining = true;
      for (const { address } of [...listeners.values()]) await unlisten(address);
      await drainConnections(admission, limitMs);
    },
  };
};

/** How often it is looked whether the bytes before a reset are sent, and for how long. Each look reads the system's table. */
const FLUSH_CHECKS = { minMs: 10, maxMs: 500 };

/** Gives the connections `limitMs` to end, then resets the rest, and settles when every one has its record. */
const drainConnections = async (
  { connections, abort }: Pick<Admission<Socket>, 'connections' | 'abort'>,
  limitMs: number,
): Promise<void> => {
  const deadlineAt = performance.now() + limitMs;
  while (connections.size > 0 && performance.now() < deadlineAt) await sleep(DRAIN_CHECK_INTERVAL_MS);
  abort('drained');
  while (connections.size > 0) await sleep(0);
};

const DRAIN_CHECK_INTERVAL_MS = 20;

interface Listener {
  readonly server: Server;
  /** The address that was bound. */
  readonly address: Address;
}

const openListener = async (
  address: Address,
  onClient: (client: Socket, from: Address) => void,
  onError: (error: Error) => void,
): Promise<Listener> => {
  const server = createServer(LISTENER_OPTIONS, (client) => onClient(client, peerAddress(client, address)));
  await listenOn(server, address);
  const { port } = server.address() as AddressInfo;
  // The server goes on listening after a failed accept (out of open files, or the client has left).
  server.on('error', onError);
  return { server, address: isUnixSocket(address) ? address : { host: address.host, port } };
};

const listenOn = async (server: Server, address: Address): Promise<void> => {
  if (isUnixSocket(address)) return listenOnUnixSocket(server, { path: address.host, backlog: BACKLOG });
  const ipv6Only = ipFamily(address.host) === 6;
  server.listen({ ...address, ipv6Only, exclusive: true, backlog: BACKLOG });
  await once(server, 'listening');
};

/** Keep-alive detects clients that vanish while they wait for the upstream. */
const LISTENER_OPTIONS = {
  ...SOCKET_OPTIONS,
  pauseOnConnect: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEPALIVE_DELAY_MS,
} as const;

/** The kernel lowers it to net.core.somaxconn (listen(2)). */
const BACKLOG = 4_096;

/** A client of a unix socket has no address; the address of the listener stands for it. */
const peerAddress = ({ remoteAddress = '', remotePort = 0 }: Socket, listener: Address): Address =>
  isUnixSocket(listener) ? listener : { host: canonicalHost(remoteAddress), port: remotePort };

/** Sends a FIN, which tells the monitor that this process accepts. */
const answerCheck = (client: Socket): void => {
  client.on('error', () => client.destroy()).end();
  client.resume();
};
