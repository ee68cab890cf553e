import { connect, Socket } from 'node:net';
import type { Heartbeat } from '../../ipc/heartbeat.ts';
import type { Address } from '../../lib/address.ts';
import { openBoundSocket } from '../../libc/bound-socket.ts';
import { type Libc, loadLibc } from '../../libc/libc.ts';
import type { ProbeResult } from '../probes/exchange/exchange.ts';

/**
 * Runs a check of which the proxy knows that it is one. The check has its local address before the proxy hears of it, so that
 * nobody else can connect from there (docs/decisions.md: ADR-0057). When it could not connect, the announcement is taken back.
 * Rejects when the check has no address to connect from, or when the proxy does not answer.
 * @param forward see `expect_check` of the control socket
 * @param run opens the connection at most once
 */
export const runAnnouncedCheck = async (
  heartbeat: Pick<Heartbeat, 'ask'>,
  target: Address,
  forward: boolean,
  run: (openSocket: () => Socket) => Promise<ProbeResult>,
  openSource = openCheckSource,
): Promise<ProbeResult> => {
  const source = openSource(target.host);
  const { host: localHost, port: localPort } = source.address;
  let isConnected = false;
  try {
    await heartbeat.ask('expect_check', { localHost, localPort, forward });
    const result = await run(() => source.connect(target));
    // A connection that waits to be accepted is ahead of any other from its address, so it keeps the announcement.
    isConnected = result.ok || result.phase === 'answer';
    return result;
  } finally {
    source.release();
    if (!isConnected) void heartbeat.ask('retract_check', { localHost, localPort }).catch(() => {});
  }
};

/** The local address of one check. */
export interface CheckSource {
  readonly address: Address;
  /** Starts to connect from the address; to be called once at most. */
  connect(target: Address): Socket;
  /** Gives the address up where `connect` was not called. */
  release(): void;
}

/**
 * Takes a local address for a check. It is the target's own: the monitor and the proxy are on one machine.
 * @throws Error with the system's code
 */
export const openCheckSource = (host: string): CheckSource => {
  const libc = sharedLibc();
  return libc === null ? unboundSource(host) : boundSource(libc, host);
};

const boundSource = (libc: Libc, host: string): CheckSource => {
  const { fd, bound } = bindAnyPort(libc, host);
  let isOpen = true;
  return {
    address: bound,
    connect: (target) => {
      isOpen = false;
      return new Socket({ fd }).connect(target);
    },
    release: () => {
      if (isOpen) libc.close(fd);
      isOpen = false;
    },
  };
};

/**
 * The address of a check where there is no {@link Libc}: it gets its port only when it connects. Somebody else may have the
 * port by then, which makes the check an `untried` one.
 */
export const unboundSource = (host: string, port = randomPort()): CheckSource => ({
  address: { host, port },
  connect: (target) => connect({ ...target, localAddress: host, localPort: port }),
  release: () => {},
});

/**
 * The system chooses the port, as it does for any client. Where connections of the last minute (TIME-WAIT) have used up the ports
 * that it gives out, one outside of them is taken.
 */
const bindAnyPort = (libc: Libc, host: string): ReturnType<typeof openBoundSocket> => {
  try {
    return openBoundSocket(libc, host, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    return openBoundSocket(libc, host, randomPort());
  }
};

/** A port outside the range that Linux gives out by itself (ip(7): 32768 to 60999). */
const randomPort = (): number => 20_000 + Math.floor(Math.random() * 12_000);

let loadedLibc: Libc | null | undefined;

/** @returns null where koffi does not load */
const sharedLibc = (): Libc | null => {
  if (loadedLibc !== undefined) return loadedLibc;
  try {
    loadedLibc = loadLibc();
  } catch {
    loadedLibc = null;
  }
  return loadedLibc;
};
