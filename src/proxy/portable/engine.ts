/**
 * The room proxy/portable: the engine on node:net, for any operating system.
 * Streams and `pipe` move the bytes, on the process's one event loop.
 */

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, canonicalHost, formatAddress, ipFamily, isUnixSocket } from '../../lib/address.ts';
import { listenOnUnixSocket } from '../../system/unix-socket.ts';
import { type Admission, createAdmission } from '../admission.ts';
import type { Connection, CreateEngine } from '../engine.ts';
import type { EngineCounts } from '../report.ts';
import { HIGH_WATER_MARK_BYTES, KEEPALIVE_DELAY_MS } from './connect.ts';
import { type AddressPairs, createConnection } from './connection.ts';
import { createRetryGate } from './retry-gate.ts';

/** Creates the engine on node:net. */
export const createPortableEngine: CreateEngine = async (policy, hooks) => {
  const listeners = new Map<string, Listener>();
  const connectFailures: Record<string, number> = {};
  const endedBytes = { toUpstream: 0, toClient: 0 };
  const addressPairs: AddressPairs = { incoming: new Set(), outgoing: new Set() };
  const gate = createRetryGate();

  const admission = createAdmission<Socket>(
    policy,
    {
      ...hooks,
      onEnd: (record) => {
        endedBytes.toUpstream += record.bytesToUpstream;
        endedBytes.toClient += record.bytesToClient;
        hooks.onEnd(record);
      },
    },
    {
      // A check gets a gate of its own, so that it does not wait for clients that wait for the upstream.
      create: (client, from, context) =>
        createConnection(client, from, context, addressPairs, context.isCheck ? createRetryGate() : gate),
      answerCheck,
      listenAddresses: () => [...listeners.values()].map(({ address }) => address),
      onConnectFailure: (code) => {
        connectFailures[code] = (connectFailures[code] ?? 0) + 1;
      },
    },
  );

  const listen = async (address: Address): Promise<Address> => {
    const listener = await openListener(address, admission.accept, hooks.onError);
    listeners.set(formatAddress(listener.address), listener);
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
    dataPath: () => 'unknown',
    counts: () => ({
      ...admission.counts(),
      ...addOpenBytes(endedBytes, admission.connections),
      connectFailures: { ...connectFailures },
    }),
    drain: async (limitMs) => {
      for (const { address } of [...listeners.values()]) await unlisten(address);
      await drainConnections(admission, limitMs);
    },
  };
};

/** The bytes of ended connections, and those of the open ones so far. */
const addOpenBytes = (
  endedBytes: { readonly toUpstream: number; readonly toClient: number },
  openConnections: Iterable<Connection>,
): Pick<EngineCounts, 'bytesToUpstream' | 'bytesToClient'> => {
  let bytesToUpstream = endedBytes.toUpstream;
  let bytesToClient = endedBytes.toClient;
  for (const connection of openConnections) {
    const { toUpstream, toClient } = connection.bytes();
    bytesToUpstream += toUpstream;
    bytesToClient += toClient;
  }
  return { bytesToUpstream, bytesToClient };
};

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
  const server = createServer(SOCKET_OPTIONS, (client) => onClient(client, peerAddress(client, address)));
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

const SOCKET_OPTIONS = {
  allowHalfOpen: true,
  pauseOnConnect: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEPALIVE_DELAY_MS,
  highWaterMark: HIGH_WATER_MARK_BYTES,
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
