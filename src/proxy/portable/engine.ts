import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, canonicalHost, formatAddress, ipFamily, isUnixSocket } from '../../lib/address.ts';
import { listenOnUnixSocket } from '../../system/unix-socket.ts';
import { createAdmission } from '../admission.ts';
import type { CreateEngine } from '../engine.ts';
import { HIGH_WATER_MARK_BYTES, KEEPALIVE_DELAY_MS } from './connect.ts';
import { type AddressPairs, createConnection } from './connection.ts';
import { createRetryGate } from './dial.ts';

/** The engine on node:net, for any OS. */
export const createPortableEngine: CreateEngine = async (policy, hooks) => {
  const servers = new Map<string, { readonly server: Server; readonly address: Address }>();
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
      // A check does not wait for those who wait for the upstream.
      create: (client, from, port) =>
        createConnection(client, from, port, addressPairs, port.isCheck ? createRetryGate() : gate),
      answerCheck,
      listenAddresses: () => [...servers.values()].map(({ address }) => address),
      onConnectFailure: (code) => {
        connectFailures[code] = (connectFailures[code] ?? 0) + 1;
      },
    },
  );

  const unlisten = async (address: Address): Promise<void> => {
    const key = formatAddress(address);
    servers.get(key)?.server.close();
    servers.delete(key);
  };

  return {
    name: 'portable',
    listen: async (address) => {
      const server = createServer(SOCKET_OPTIONS, (client) =>
        admission.accept(client, peerAddress(client, address)),
      );
      await listenOn(server, address);
      const { port } = server.address() as AddressInfo;
      const bound = isUnixSocket(address) ? address : { host: address.host, port };
      // An accept that fails (out of files, a client that has gone) is no reason to stop listening.
      server.on('error', hooks.onError);
      servers.set(formatAddress(bound), { server, address: bound });
      return bound;
    },
    unlisten,
    setLocalAddresses: admission.setLocalAddresses,
    expectCheck: admission.expectCheck,
    dataPath: () => 'unknown',
    counts: () => {
      const openBytes = [...admission.connections].map((connection) => connection.bytes());
      const sum = (key: 'toUpstream' | 'toClient'): number =>
        openBytes.reduce((total, connectionBytes) => total + connectionBytes[key], endedBytes[key]);
      const bytes = { bytesToUpstream: sum('toUpstream'), bytesToClient: sum('toClient') };
      return { ...admission.counts(), ...bytes, connectFailures: { ...connectFailures } };
    },
    drain: async (limitMs) => {
      for (const { address } of [...servers.values()]) await unlisten(address);
      const deadlineAt = performance.now() + limitMs;
      while (admission.connections.size > 0 && performance.now() < deadlineAt)
        await sleep(DRAIN_CHECK_INTERVAL_MS);
      admission.abort('drained');
      while (admission.connections.size > 0) await sleep(0);
    },
  };
};

const DRAIN_CHECK_INTERVAL_MS = 20;

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

/** The kernel cuts it to net.core.somaxconn (listen(2)). */
const BACKLOG = 4_096;

/** The client of a unix socket has no address: the socket stands for it. */
const peerAddress = ({ remoteAddress = '', remotePort = 0 }: Socket, listener: Address): Address =>
  isUnixSocket(listener) ? listener : { host: canonicalHost(remoteAddress), port: remotePort };

/** A FIN tells the monitor that this process accepts. */
const answerCheck = (client: Socket): void => {
  client.on('error', () => client.destroy()).end();
  client.resume();
};
