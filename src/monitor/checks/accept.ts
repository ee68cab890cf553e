import type { Evidence } from '../../health/types.ts';
import type { Heartbeat } from '../../ipc/heartbeat.ts';
import { type Address, isLoopback, isUnix } from '../../lib/address.ts';
import { localAddresses } from '../../system/proc/network-interfaces.ts';
import { checkPort, isPortTaken, probeAccept, reachable } from '../probes/tcp.ts';
import { backlogOf } from './listening.ts';

export interface Accepted {
  readonly state: Evidence['accepts'];
  /** What the failed check said. */
  readonly detail: string | null;
  /** The address that was checked, null when none was. */
  readonly at: Address | null;
}

const NOT_CHECKED: Accepted = { state: 'unknown', detail: null, at: null };

/** Whether a proxy accepts on the first of its addresses. */
export interface AcceptCheck {
  /** As it was last found out, or anew: every `pauseMs`, while there is a doubt (`eager`), or while somebody waits. */
  look(bound: readonly Address[], eager: boolean, timeoutMs: number): Promise<Accepted>;
}

export const createAcceptCheck = (heartbeat: Heartbeat, pauseMs: number): AcceptCheck => {
  let latest = NOT_CHECKED;
  let checkedAt = Number.NEGATIVE_INFINITY;
  return {
    look: async (bound, eager, timeoutMs) => {
      const [first] = bound;
      if (!first || isUnix(first)) return NOT_CHECKED;
      const isDue = performance.now() - checkedAt >= pauseMs;
      if (!isDue && !eager && latest.state === 'ok' && backlogOf(bound) === 0) return latest;
      checkedAt = performance.now();
      latest = await check(reachable(first), timeoutMs, heartbeat).catch(() => NOT_CHECKED);
      return latest;
    },
  };
};

/** A connection that only a process which accepts answers. */
const check = async (at: Address, timeoutMs: number, heartbeat: Heartbeat): Promise<Accepted> => {
  const localPort = checkPort();
  await heartbeat.ask('expect_check', { localPort, forward: false });
  const result = await probeAccept(at, localPort, timeoutMs);
  if (result.ok) return { state: 'ok', detail: null, at };
  // An address that has just gone from this host is the host's affair: the proxy follows within seconds.
  if (!isLoopback(at.host) && !localAddresses().includes(at.host)) return NOT_CHECKED;
  return isPortTaken(result) ? NOT_CHECKED : { state: 'failed', detail: result.error, at };
};
