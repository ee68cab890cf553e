import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Address,
  canonicalHost,
  formatAddress,
  ipFamily,
  isCovered,
  isLoopback,
  isUnix,
} from '../../core/address.ts';
import type { Reason } from '../../core/reasons.ts';
import { openFilesLimit } from '../../host/procfs.ts';
import { listenOnFile } from '../../host/unix-socket.ts';
import { createAllow } from '../allow.ts';
import { createGate } from '../dial.ts';
import type { CreateEngine, Engine, EngineHooks, Policy } from '../engine.ts';
import { type Connection, HIGH_WATER_BYTES, KEEPALIVE_MS, openConnection } from './connection.ts';

/** The engine on node:net, for any OS. */
export const createPortableEngine: CreateEngine = (policy, hooks): Engine => {
  const servers = new Map<string, { readonly server: Server; readonly address: Address }>();
  const places = countPlaces(policy);
  const clients = createClients(policy, places, hooks, () =>
    [...servers.values()].map(({ address }) => address),
  );

  const unlisten = async (address: Address): Promise<void> => {
    const key = formatAddress(address);
    servers.get(key)?.server.close();
    servers.delete(key);
  };

  return {
    name: 'portable',
    listen: async (address) => {
      const server = createServer(SOCKET_OPTIONS, (client) => clients.accept(client, address));
      await listenOn(server, address);
      const { port } = server.address() as AddressInfo;
      const bound = isUnix(address) ? address : { host: address.host, port };
      // An accept that fails (out of files, a client that has gone) is no reason to stop listening.
      server.on('error', hooks.onError);
      servers.set(formatAddress(bound), { server, address: bound });
      return bound;
    },
    unlisten,
    expectCheck: clients.expectCheck,
    counts: clients.counts,
    drain: async (limitMs) => {
      for (const { address } of [...servers.values()]) await unlisten(address);
      await clients.drain(limitMs);
    },
  };
};

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

/** The clients of one port: who may come in, who waits, who is served. */
const createClients = (
  policy: Policy,
  { maxConnections, maxHeld }: Places,
  hooks: EngineHooks,
  listeners: () => readonly Address[],
) => {
  const isAllowed = createAllow(policy.allow, hooks.localAddresses);
  const checks = new Map<number, { readonly forward: boolean; readonly untilMs: number }>();
  const open = new Set<Connection>();
  const checking = new Set<Connection>();
  const placed = new Set<Connection>();
  const queue = new Set<Connection>();
  const dialFailures: Record<string, number> = {};
  const ended = { toUpstream: 0, toClient: 0 };
  /** The address of the upstream that answered last. */
  let winner: Address | undefined;
  let [total, held] = [0, 0];

  const shared = {
    policy,
    gate: createGate(),
    incoming: new Set<string>(),
    outgoing: new Set<string>(),
    preferred: () => winner,
    isOwnListener: (address: Address) => isCovered(listeners(), address, hooks.localAddresses()),
    onFailure: (code: string) => {
      dialFailures[code] = (dialFailures[code] ?? 0) + 1;
    },
    mayHold: () => held + queue.size < maxHeld,
    onHeld: (change: 1 | -1) => {
      held += change;
    },
  };

  const admit = (connection: Connection): void => {
    placed.add(connection);
    connection.serve();
  };

  const accept = (client: Socket, listener: Address): void => {
    const from = peerOf(client, listener);
    const announced = takeCheck(from);
    if (announced) {
      if (announced.forward) check(client, from);
      else answerCheck(client);
      return;
    }
    total += 1;
    const connection = openConnection(client, from, {
      ...shared,
      onOpen: (client, upstream) => {
        winner = upstream;
        hooks.onOpen(client, upstream);
      },
      onEnd: (record) => {
        const { toUpstream, toClient } = connection.bytes();
        ended.toUpstream += toUpstream;
        ended.toClient += toClient;
        open.delete(connection);
        queue.delete(connection);
        placed.delete(connection);
        hooks.onEnd({ ...record, active: placed.size });
        const [next] = queue;
        if (next && placed.size < maxConnections && queue.delete(next)) admit(next);
      },
    });
    open.add(connection);
    const refusal = connection.isLoop() ? 'loop' : refuse(from);
    if (refusal) connection.abort(refusal);
    else if (placed.size < maxConnections) admit(connection);
    else queue.add(connection);
  };

  /** Only the monitor's own host can come from the port that it announced. */
  const takeCheck = (from: Address): { readonly forward: boolean } | undefined => {
    const announced = checks.get(from.port);
    const isLocal = isLoopback(from.host) || hooks.localAddresses().includes(from.host);
    if (!announced || !isLocal || performance.now() > announced.untilMs) return undefined;
    checks.delete(from.port);
    return announced;
  };

  const refuse = (from: Address): Reason | undefined => {
    if (from.host === '') return 'client_gone';
    if (!isAllowed(from.host)) return 'not_allowed';
    return placed.size >= maxConnections && held + queue.size >= maxHeld ? 'too_many' : undefined;
  };

  /** A check goes the way of a client, but is not counted, queued or told. */
  const check = (client: Socket, from: Address): void => {
    const connection = openConnection(client, from, {
      ...shared,
      gate: createGate(),
      onFailure: () => {},
      mayHold: () => false,
      onOpen: () => {},
      onEnd: () => checking.delete(connection),
    });
    checking.add(connection);
    connection.serve();
  };

  return {
    accept,
    expectCheck: (localPort: number, forward: boolean): void => {
      checks.delete(localPort);
      checks.set(localPort, { forward, untilMs: performance.now() + CHECK_EXPECTED_MS });
      if (checks.size > MOST_EXPECTED_CHECKS) checks.delete(checks.keys().next().value ?? 0);
    },
    counts: () => {
      const now = [...open].map((connection) => connection.bytes());
      const sum = (key: 'toUpstream' | 'toClient'): number =>
        now.reduce((all, one) => all + one[key], ended[key]);
      return {
        active: placed.size,
        total,
        held,
        waiting: queue.size,
        maxConnections,
        bytesToUpstream: sum('toUpstream'),
        bytesToClient: sum('toClient'),
        dialFailures: { ...dialFailures },
      };
    },
    drain: async (limitMs: number): Promise<void> => {
      const giveUpAt = performance.now() + limitMs;
      while (open.size > 0 && performance.now() < giveUpAt) await sleep(DRAIN_LOOK_MS);
      for (const connection of [...open, ...checking]) connection.abort('drained');
      while (open.size > 0) await sleep(0);
    },
  };
};

/** The client of a unix socket has no address: the socket stands for it. */
const peerOf = ({ remoteAddress = '', remotePort = 0 }: Socket, listener: Address): Address =>
  isUnix(listener) ? listener : { host: canonicalHost(remoteAddress), port: remotePort };

/** The monitor's accept check: a FIN tells it that this process accepts. */
const answerCheck = (client: Socket): void => {
  client.on('error', () => client.destroy()).end();
  client.resume();
};

/** An announced check comes at once or not at all. */
const CHECK_EXPECTED_MS = 1_000;
const MOST_EXPECTED_CHECKS = 64;
const DRAIN_LOOK_MS = 20;

interface Places {
  readonly maxConnections: number;
  readonly maxHeld: number;
}

/** Files that are neither a client nor its way to the upstream: listeners, PM2's pipes, the control socket, libuv's own. */
const OTHER_FILES = 48;

/** Two open files for each connection and one for each client that waits, a tenth of the files being for those. */
const countPlaces = ({ maxConnections, maxHeld }: Policy): Places => {
  const files = Math.max(4, (openFilesLimit() ?? Number.POSITIVE_INFINITY) - OTHER_FILES);
  const waiting = Math.min(maxHeld, Math.ceil(files / 10));
  const possible = Math.max(1, Math.floor((files - waiting) / 2));
  return { maxConnections: Math.min(maxConnections || possible, possible), maxHeld: waiting };
};
