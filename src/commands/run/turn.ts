import { setTimeout as sleep } from 'node:timers/promises';
import { PM2_DRAIN_MS } from '../../health/stop-deadline.ts';
import { type ControlClient, connectControl } from '../../ipc/client.ts';
import { type Holder, identify } from '../../ipc/identity.ts';
import type { ProxyProtocol, Supervisor } from '../../ipc/protocol.ts';
import { readInteger } from '../../system/files.ts';
import { takeLock } from '../../system/lock.ts';
import type { StateDir } from '../../system/state-dir.ts';

/** The right to take the port. */
export interface Turn {
  /** The process that gives the port up for this one; undefined when there was none. */
  readonly predecessor: Predecessor | undefined;
  /** Lets the next process try. To be called once this one has its control socket. */
  done(): void;
}

export interface Predecessor {
  /** Null when it cannot be determined. */
  readonly pid: number | null;
  /** The instant at which it was asked to exit, in milliseconds of performance.now(). */
  readonly askedAt: number;
  /** Resolves when it has ended, or after PM2_DRAIN_MS and ANSWER_TIMEOUT_MS. */
  readonly exited: Promise<unknown>;
}

export interface StandbyCallbacks {
  /** Called when another process has the port, and keeps it. */
  onStandby(holder: Holder): void;
  /** Called when that one leaves or has ended. */
  onStandbyEnd(holder: Holder): void;
}

/** Longer than an answer takes on a busy machine. */
const ANSWER_TIMEOUT_MS = 1_000;
/** The pause before a holder that has closed the connection is asked anew, since one that stays may have had too many clients. */
const RETRY_PAUSE_MS = 20;

/**
 * Waits until this process may take the port. Whoever answers on the control socket is asked to leave. One that stays, since a
 * PM2 daemon supervises it, is left alone until it ends; this process then tries again at once. Of several that try, the one
 * with the lock does: otherwise one of them might get the port, and another the control socket.
 * @param supervisor the PM2 daemon of this process, at that moment
 */
export const awaitTurn = async (
  files: ReturnType<StateDir['portFiles']>,
  supervisor: () => Supervisor | null,
  { onStandby, onStandbyEnd }: StandbyCallbacks,
): Promise<Turn> => {
  for (;;) {
    const release = await waitForLock(files.lock);
    const found = await askToLeave(files, supervisor());
    if (found === undefined || 'exited' in found) return { predecessor: found, done: release };
    release();
    const { client, holder } = found;
    onStandby(holder);
    await Promise.race([client.shutdownAnnounced, client.closed]);
    client.close();
    onStandbyEnd(holder);
    await sleep(RETRY_PAUSE_MS);
  }
};

interface Staying {
  readonly holder: Holder;
  readonly client: ControlClient<ProxyProtocol>;
}

/**
 * Asks whoever answers on the control socket to leave. When it leaves, it has closed its listening sockets; it may then finish
 * its connections until `exited`.
 * @returns undefined when nobody answers
 */
const askToLeave = async (
  { socket, pidFile }: ReturnType<StateDir['portFiles']>,
  successor: Supervisor | null,
): Promise<Predecessor | Staying | undefined> => {
  // Read before it is asked to leave, since it removes the file when it ends.
  const notedPid = readInteger(pidFile) ?? null;
  let client: ControlClient<ProxyProtocol> | undefined;
  try {
    client = await connectControl<ProxyProtocol>(socket, ANSWER_TIMEOUT_MS);
    const identity = await identify(socket, client);
    const holder = { ...identity, pid: identity.pid ?? notedPid };
    const askedAt = performance.now();
    if ((await client.ask('leave', { successor }, ANSWER_TIMEOUT_MS)) === false) return { holder, client };
    const exited = Promise.race([client.closed, sleep(PM2_DRAIN_MS + ANSWER_TIMEOUT_MS)]);
    return { pid: holder.pid, askedAt, exited: exited.finally(() => client?.close()) };
  } catch {
    // There is none, or it does not answer; if it holds the port, binding the port reports it.
    client?.close();
    return undefined;
  }
};

const LOCK_RETRY_MS = 100;

/** @returns the function that releases the lock; one that does nothing where it cannot be had, as on a full disk */
const waitForLock = async (path: string): Promise<() => void> => {
  for (;;) {
    try {
      const release = takeLock(path);
      if (release !== undefined) return release;
    } catch {
      return () => {};
    }
    await sleep(LOCK_RETRY_MS);
  }
};
