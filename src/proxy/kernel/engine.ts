import { unlinkSync } from 'node:fs';
import { type Address, isUnixSocket } from '../../lib/address.ts';
import { replaceStaleSocket } from '../../system/unix-socket.ts';
import type { CreateEngine, Policy } from '../engine.ts';
import { startThread } from './thread/host.ts';

/**
 * The engine for Linux: an epoll loop in a thread of its own, on the C library through koffi. What the main thread does,
 * or whether it is blocked, does not stop a byte.
 */
export const createKernelEngine: CreateEngine = async (policy, hooks) => {
  const thread = await startThread(pickPolicy(policy), hooks);
  const requestListen = async (address: Address): Promise<Address> =>
    (await thread.request({ kind: 'listen', address })) ?? address;
  const socketFiles = new Set<string>();

  const unlisten = async (address: Address): Promise<void> => {
    await thread.request({ kind: 'unlisten', address });
    removeSocketFile(address);
  };
  /** As net.Server does it: a socket file goes with its listener. */
  const removeSocketFile = ({ host }: Address): void => {
    if (!socketFiles.delete(host)) return;
    try {
      unlinkSync(host);
    } catch {
      // It has gone already.
    }
  };

  return {
    name: 'kernel',
    listen: async (address) => {
      if (!isUnixSocket(address)) return requestListen(address);
      const bound = await replaceStaleSocket(address.host, () => requestListen(address));
      socketFiles.add(address.host);
      return bound;
    },
    unlisten,
    setLocalAddresses: (addresses) => thread.post({ kind: 'local', addresses }),
    expectCheck: (localPort, forward) => thread.post({ kind: 'check', localPort, forward }),
    counts: thread.counts,
    dataPath: thread.dataPath,
    drain: async (limitMs) => {
      thread.post({ kind: 'drain', limitMs });
      // Nobody who connects from now on is to be accepted.
      thread.counters.waitForCommands(UNLISTEN_TIMEOUT_MS);
      for (const host of socketFiles) removeSocketFile({ host, port: 0 });
      await thread.whenEnded;
    },
  };
};

/** A loop that is not stuck takes well under 1 ms. */
const UNLISTEN_TIMEOUT_MS = 100;

/** What a proxy's config has beside the policy is not for the other thread. */
const pickPolicy = (policy: Policy): Policy => ({
  upstream: { host: policy.upstream.host, port: policy.upstream.port },
  allow: policy.allow,
  holdMs: policy.holdMs,
  connectTimeoutMs: policy.connectTimeoutMs,
  idleTimeoutMs: policy.idleTimeoutMs,
  halfCloseTimeoutMs: policy.halfCloseTimeoutMs,
  maxConnections: policy.maxConnections,
  maxHeld: policy.maxHeld,
});
