import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, canonicalHost, formatAddress, ipFamily, isUnix } from '../../lib/address.ts';
import { listenOnFile } from '../../system/unix-socket.ts';
import { createClients } from '../admission.ts';
import type { CreateEngine } from '../engine.ts';
import { HIGH_WATER_BYTES, KEEPALIVE_MS } from './connect.ts';
import { type Ends, openConnection } from './connection.ts';
import { createGate } from './dial.ts';

/** The engine on node:net, for any OS. */
export const createPortableEngine: CreateEngine = async (policy, hooks) => {
  const servers = new Map<string, { readonly server: Server; readonly address: Address }>();
  const dialFailures: Record<string, number> = {};
  const ended = { toUpstream: 0, toClient: 0 };
  const ends: Ends = { incoming: new Set(), outgoing: new Set() };
  const gate = createGate();

  const clients = createClients<Socket>(
    policy,
    {
      ...hooks,
      onEnd: (record) => {
        ended.toUpstream += record.bytesToUpstream;
        ended.toClient += record.bytesToClient;
        hooks.onEnd(record);
      },
    },
    {
      // A check does not wait for those who wait for the upstream.
      open: (client, from, port) =>
        openConnection(client, from, port, ends, port.isCheck ? createGate() : gate),
      answerCheck,
      listeners: () => [...servers.values()].map(({ address }) => address),
      onFailure: (code) => {
        dialFailures[code] = (dialFailures[code] ?? 0) + 1;
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
        clients.accept(client, peerOf(client, address)),
      );
      await listenOn(server, address);
      const { port } = server.address() as AddressInfo;
      const bound = isUnix(address) ? address : { host: address.host, port };
      // An accept that fails (out of files, a client that has gone) is no reason to stop listening.
      server.on('error', hooks.onError);
      servers.set(formatAddress(bound), { server, address: bound });
      return bound;
    },
    unlisten,
    setLocalAddresses: clients.setLocalAddresses,
    expectCheck: clients.expectCheck,
    dataPath: () => 'unknown',
    counts: () => {
      const now = [...clients.open].map((connection) => connection.bytes());
      const sum = (key: 'toUpstream' | 'toClient'): number =>
        now.reduce((all, one) => all + one[key], ended[key]);
      const bytes = { bytesToUpstream: sum('toUpstream'), bytesToClient: sum('toClient') };
      return { ...clients.counts(), ...bytes, dialFailures: { ...dialFailures } };
    },
    drain: async (limitMs) => {
      for (const { address } of [...servers.values()]) await unlisten(address);
      const giveUpAt = performance.now() + limitMs;
      while (clients.open.size > 0 && performance.now() < giveUpAt) await sleep(DRAIN_LOOK_MS);
      clients.abort('drained');
      while (clients.open.size > 0) await sleep(0);
    },
  };
};

const DRAIN_LOOK_MS = 20;

const listenOn = async (server: Server, address: Address): Promise<void> => {
  if (isUnix(address)) return listenOnFile(server, { path: address.host, backlog: BACKLOG });
  const ipv6Only = ipFamily(address.host) === 6;
  server.listen({ ...address, ipv6Only, exclusive: true, backlog: BACKLOG });
  await once(server, 'listening');
};

const SOCKET_OPTIONS = {
  allowHalfOpen: true,
  pauseOnConnect: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEPALIVE_MS,
  highWaterMark: HIGH_WATER_BYTES,
} as const;

/** The kernel cuts it to net.core.somaxconn (listen(2)). */
const BACKLOG = 4_096;

/** The client of a unix socket has no address: the socket stands for it. */
const peerOf = ({ remoteAddress = '', remotePort = 0 }: Socket, listener: Address): Address =>
  isUnix(listener) ? listener : { host: canonicalHost(remoteAddress), port: remotePort };

/** A FIN tells the monitor that this process accepts. */
const answerCheck = (client: Socket): void => {
  client.on('error', () => client.destroy()).end();
  client.resume();
};
