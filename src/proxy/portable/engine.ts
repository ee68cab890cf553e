import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type Address, canonicalHost, formatAddress, ipFamily, isCovered } from '../../core/address.ts';
import type { Reason } from '../../core/reasons.ts';
import { createAllow } from '../allow.ts';
import type { CreateEngine, Engine } from '../engine.ts';
import { HIGH_WATER_BYTES, KEEPALIVE_MS, serveClient } from './connection.ts';

/** The engine on node:net, for any OS. */
export const createPortableEngine: CreateEngine = (policy, hooks): Engine => {
  const servers = new Map<string, { readonly server: Server; readonly address: Address }>();
  const open = new Set<{ abort(): void }>();
  const ends = { incoming: new Set<string>(), outgoing: new Set<string>() };
  const checks = new Map<number, boolean>();
  const isAllowed = createAllow(policy.allow, hooks.localAddresses);
  const limit = policy.maxConnections || connectionsForFileLimit();
  const counts = { active: 0, total: 0, held: 0 };

  const refusal = (from: Address): Reason | undefined => {
    if (ends.outgoing.has(formatAddress(from))) return 'loop';
    if (!isAllowed(from.host)) return 'not_allowed';
    return counts.active >= limit ? 'too_many' : undefined;
  };

  const onConnection = (client: Socket): void => {
    const from: Address = { host: canonicalHost(client.remoteAddress ?? ''), port: client.remotePort ?? 0 };
    const forward = checks.get(from.port);
    const isCheck = checks.delete(from.port);
    if (isCheck && forward === false) {
      client.on('error', () => client.destroy()).end();
      client.resume();
      return;
    }
    const connection = serveClient(client, from, isCheck ? undefined : refusal(from), {
      policy,
      counts: isCheck ? { active: 0, total: 0, held: 0 } : counts,
      ends,
      isOwnListener: (address) =>
        isCovered(
          [...servers.values()].map((entry) => entry.address),
          address,
          hooks.localAddresses(),
        ),
      onEnd: (record) => {
        open.delete(connection);
        if (!isCheck) hooks.onEnd(record);
      },
    });
    open.add(connection);
  };

  const unlisten = async (address: Address): Promise<void> => {
    const key = formatAddress(address);
    servers.get(key)?.server.close();
    servers.delete(key);
  };

  return {
    name: 'portable',
    listen: (address) =>
      new Promise((done, fail) => {
        const server = createServer(
          {
            allowHalfOpen: true,
            pauseOnConnect: true,
            noDelay: true,
            keepAlive: true,
            keepAliveInitialDelay: KEEPALIVE_MS,
            highWaterMark: HIGH_WATER_BYTES,
          },
          onConnection,
        );
        server.once('error', fail);
        const ipv6Only = ipFamily(address.host) === 6;
        server.listen({ ...address, ipv6Only, exclusive: true, backlog: BACKLOG }, () => {
          const { port } = server.address() as AddressInfo;
          const bound = { host: address.host, port };
          server.off('error', fail).on('error', () => unlisten(bound));
          servers.set(formatAddress(bound), { server, address: bound });
          done(bound);
        });
      }),
    unlisten,
    expectCheck: (localPort, forward) => {
      checks.set(localPort, forward);
      if (checks.size > MAX_EXPECTED_CHECKS) checks.delete(checks.keys().next().value ?? 0);
    },
    counts: () => ({ ...counts }),
    drain: async (limitMs) => {
      for (const { address } of [...servers.values()]) await unlisten(address);
      const giveUpAt = performance.now() + limitMs;
      while (open.size > 0 && performance.now() < giveUpAt) await pause(DRAIN_LOOK_MS);
      for (const connection of [...open]) connection.abort();
    },
  };
};

/** The kernel cuts it to net.core.somaxconn (listen(2)). */
const BACKLOG = 4_096;
const MAX_EXPECTED_CHECKS = 64;
const DRAIN_LOOK_MS = 20;
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Two open files for each connection, and 64 for everything else. Without /proc: the 1024 of most systems. */
const connectionsForFileLimit = (): number => {
  let files = 1024;
  try {
    files = Number(/Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? files);
  } catch {
    // not Linux
  }
  return Math.max(1, Math.floor((files - 64) / 2));
};
