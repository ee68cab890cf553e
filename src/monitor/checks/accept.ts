import type { Evidence } from '../../health/types.ts';
import type { Heartbeat } from '../../ipc/heartbeat.ts';
import { type Address, isLoopback, isUnixSocket } from '../../lib/address.ts';
import { localAddresses } from '../../system/proc/network-interfaces.ts';
import { holdsSocket } from '../../system/proc/port-owner.ts';
import { runAnnouncedCheck } from './announced-check.ts';
import { isOwnFailure, probeAccept, probeBacklog, reachableAddress } from './check-connection.ts';
import { backlogOf, ownListeners } from './listening.ts';

export interface AcceptResult {
  readonly state: Evidence['accepts'];
  /** Why the check failed; null when it did not. */
  readonly detail: string | null;
  /** The address that was checked; null when none was. */
  readonly address: Address | null;
}

const NOT_CHECKED: AcceptResult = { state: 'unknown', detail: null, address: null };

/** Checks whether a proxy accepts connections on the first of its addresses. */
export interface AcceptCheck {
  /**
   * The last result, or a new one: every `intervalMs`, when `isUrgent`, while the last one was not `ok`, and while a client
   * waits to be accepted. A unix socket is not checked. It never rejects.
   */
  check(boundAddresses: readonly Address[], isUrgent: boolean, timeoutMs: number): Promise<AcceptResult>;
}

export const createAcceptCheck = (heartbeat: Heartbeat, intervalMs: number): AcceptCheck => {
  let latest = NOT_CHECKED;
  let checkedAt = Number.NEGATIVE_INFINITY;
  return {
    check: async (boundAddresses, isUrgent, timeoutMs) => {
      const [address] = boundAddresses;
      if (!address || isUnixSocket(address)) return NOT_CHECKED;
      const isDue = performance.now() - checkedAt >= intervalMs;
      if (!isDue && !isUrgent && latest.state === 'ok' && backlogOf(boundAddresses) === 0) return latest;
      checkedAt = performance.now();
      latest = await checkAccept(reachableAddress(address), timeoutMs, heartbeat).catch(() => NOT_CHECKED);
      return latest;
    },
  };
};

/**
 * Checks whether a proxy accepts that cannot be asked, as it has no control socket. To the proxy the connection is that of a
 * client. Unknown where another process may hold the addresses.
 * @param pid the proxy's process; null: unknown, so that only addresses on which nobody listens say anything
 * @param addresses the addresses on which it is to listen
 */
export const checkAcceptUnasked = async (
  pid: number | null,
  addresses: readonly Address[],
  timeoutMs: number,
): Promise<AcceptResult> => {
  const [first] = addresses;
  if (!first || addresses.some(isUnixSocket)) return NOT_CHECKED;
  const listenersOf = (address: Address) => ownListeners(address, performance.now());
  const address = addresses.find((candidate) =>
    listenersOf(candidate)?.some(({ inode }) => pid !== null && holdsSocket(pid, inode)),
  );
  if (!address && addresses.some((candidate) => listenersOf(candidate)?.length)) return NOT_CHECKED;
  const target = address ?? first;
  const hasBacklog = (): boolean => backlogOf([target], performance.now()) > 0;
  const result = await probeBacklog(reachableAddress(target), hasBacklog, timeoutMs);
  if (!result.ok) {
    if (isOwnFailure(result)) return NOT_CHECKED;
    // Without a process there is nothing that fails to accept.
    return { state: 'failed', detail: pid === null ? null : result.error, address: target };
  }
  return address ? { state: 'ok', detail: null, address } : NOT_CHECKED;
};

/** Connects to the proxy. Only a process that accepts answers the connection; the kernel alone does not. */
const checkAccept = async (
  address: Address,
  timeoutMs: number,
  heartbeat: Heartbeat,
): Promise<AcceptResult> => {
  const result = await runAnnouncedCheck(heartbeat, address, false, (openSocket) =>
    probeAccept(address, timeoutMs, openSocket),
  );
  if (result.ok) return { state: 'ok', detail: null, address };
  // An address may have just gone from this host. That is no fault of the proxy, which follows within seconds.
  if (!isLoopback(address.host) && !localAddresses().includes(address.host)) return NOT_CHECKED;
  return isOwnFailure(result) ? NOT_CHECKED : { state: 'failed', detail: result.error, address };
};
