/**
 * The room proxy/kernel: the engine for Linux, which moves the bytes of a port with epoll and splice(2) on a thread of its
 * own. This file is its end on the main thread; data-path.ts puts the thread's parts together.
 */

import { unlinkSync } from 'node:fs';
import { type Address, isUnixSocket } from '../../lib/address.ts';
import { replaceStaleSocket } from '../../system/unix-socket.ts';
import type { CreateEngine, Policy } from '../engine.ts';
import { startThread } from './thread/host.ts';

/**
 * The engine for Linux: an epoll loop in a thread of its own, on the C library through koffi. A main thread that is busy or
 * blocked does not stop the bytes. Rejects where koffi or a system call that the engine needs is not available.
 */
export const createKernelEngine: CreateEngine = async (policy, hooks) => {
  const thread = await startThread(pickPolicy(policy), hooks);
  const requestListen = async (address: Address): Promise<Address> =>
    (await thread.request({ kind: 'listen', address })) ?? address;
  const socketFiles = new Set<string>();

  const unlisten = async (address: Address): Promise<void> => {
    removeSocketFile(address);
    await thread.request({ kind: 'unlisten', address });
  };
  /** Removes a socket file before its listener is closed, as net.Server does: no further client finds it. */
  const removeSocketFile = ({ host }: Address): void => {
    if (!socketFiles.delete(host)) return;
    try {
      unlinkSync(host);
    } catch {
      // The file does not exist any more.
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
    expectCheck: (check) => thread.post({ kind: 'expect_check', check }),
    retractCheck: (source) => thread.post({ kind: 'retract_check', source }),
    counts: thread.counts,
    dataPath: thread.dataPath,
    drain: async (limitMs) => {
      for (const host of socketFiles) removeSocketFile({ host, port: 0 });
      thread.post({ kind: 'drain', limitMs });
      // A process that waits for the port then finds it free, unless the time was too short.
      thread.counters.waitForStoppedListening(UNLISTEN_TIMEOUT_MS);
      await thread.whenEnded;
    },
  };
};

/**
 * A loop that is not stuck closes its listeners in well under 1 ms. With thousands of clients to accept it takes longer than
 * this (ADR-0058), but none that connects after the drain has begun is accepted.
 */
const UNLISTEN_TIMEOUT_MS = 100;

/** Copies the policy alone: the proxy's other config is not sent to the thread. */
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
