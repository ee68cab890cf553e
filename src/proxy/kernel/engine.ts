import { unlinkSync } from 'node:fs';
import { type Address, isUnix } from '../../lib/address.ts';
import { replacingStaleFile } from '../../system/unix-socket.ts';
import type { CreateEngine, Policy } from '../engine.ts';
import { startThread } from './thread/host.ts';

/**
 * The engine for Linux: an epoll loop in a thread of its own, on the C library through koffi. What the main thread does,
 * or whether it is blocked, does not stop a byte.
 */
export const createKernelEngine: CreateEngine = async (policy, hooks) => {
  const thread = await startThread(limitsOf(policy), hooks);
  const listenOnce = async (address: Address): Promise<Address> =>
    (await thread.ask({ kind: 'listen', address })) ?? address;
  const files = new Set<string>();

  const unlisten = async (address: Address): Promise<void> => {
    await thread.ask({ kind: 'unlisten', address });
    removeFile(address);
  };
  /** As net.Server does it: a socket file goes with its listener. */
  const removeFile = ({ host }: Address): void => {
    if (!files.delete(host)) return;
    try {
      unlinkSync(host);
    } catch {
      // It has gone already.
    }
  };

  return {
    name: 'kernel',
    listen: async (address) => {
      if (!isUnix(address)) return listenOnce(address);
      const bound = await replacingStaleFile(address.host, () => listenOnce(address));
      files.add(address.host);
      return bound;
    },
    unlisten,
    setLocalAddresses: (addresses) => thread.tell({ kind: 'local', addresses }),
    expectCheck: (localPort, forward) => thread.tell({ kind: 'check', localPort, forward }),
    counts: thread.counts,
    dataPath: thread.dataPath,
    drain: async (limitMs) => {
      thread.tell({ kind: 'drain', limitMs });
      // Nobody who connects from now on is to be accepted.
      thread.cells.waitForCommands(UNLISTEN_LIMIT_MS);
      for (const host of files) removeFile({ host, port: 0 });
      await thread.ended;
    },
  };
};

/** A loop that is not stuck takes well under 1 ms. */
const UNLISTEN_LIMIT_MS = 100;

/** What a proxy's config has beside the policy is not for the other thread. */
const limitsOf = (policy: Policy): Policy => ({
  upstream: { host: policy.upstream.host, port: policy.upstream.port },
  allow: policy.allow,
  holdMs: policy.holdMs,
  connectTimeoutMs: policy.connectTimeoutMs,
  idleTimeoutMs: policy.idleTimeoutMs,
  halfCloseTimeoutMs: policy.halfCloseTimeoutMs,
  maxConnections: policy.maxConnections,
  maxHeld: policy.maxHeld,
});
