import type { Evidence } from '../../health/types.ts';
import type { Heartbeat } from '../../ipc/heartbeat.ts';
import { type Address, isLoopback, isUnixSocket } from '../../lib/address.ts';
import { localAddresses } from '../../system/proc/network-interfaces.ts';
import { isCheckPortTaken, pickCheckPort, probeAccept, reachableAddress } from '../probes/tcp.ts';
import { backlogOf } from './listening.ts';

export interface AcceptResult {
  readonly state: Evidence['accepts'];
  /** What the failed check said. */
  readonly detail: string | null;
  /** The address that was checked, null when none was. */
  readonly address: Address | null;
}

const NOT_CHECKED: AcceptResult = { state: 'unknown', detail: null, address: null };

/** Whether a proxy accepts on the first of its addresses. */
export interface AcceptCheck {
  /** As it was last found out, or anew: every `pauseMs`, while there is a doubt (`eager`), or while somebody waits. */
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

/** A connection that only a process which accepts answers. */
const checkAccept = async (
  address: Address,
  timeoutMs: number,
  heartbeat: Heartbeat,
): Promise<AcceptResult> => {
  const localPort = pickCheckPort();
  await heartbeat.ask('expect_check', { localPort, forward: false });
  const result = await probeAccept(address, localPort, timeoutMs);
  if (result.ok) return { state: 'ok', detail: null, address };
  // An address that has just gone from this host is the host's affair: the proxy follows within seconds.
  if (!isLoopback(address.host) && !localAddresses().includes(address.host)) return NOT_CHECKED;
  return isCheckPortTaken(result) ? NOT_CHECKED : { state: 'failed', detail: result.error, address };
};
