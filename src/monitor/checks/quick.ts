import { setTimeout as sleep } from 'node:timers/promises';
import type { Heartbeat } from '../../ipc/heartbeat.ts';
import type { Address } from '../../lib/address.ts';
import { readProcessState } from '../../system/proc/process-state.ts';
import { backlogOf } from './listening.ts';

/** A healthy proxy answers, and accepts a client that waits, in a few milliseconds. */
const ANSWER_TIMEOUT_MS = 100;

/**
 * A cheap check between two full ones: does the process run, does it answer, and does a client wait to be accepted?
 * True is a reason to check at once, and no evidence by itself: only a full check gives a verdict.
 * @param maxTableAgeMs the maximum age of the socket table, the read of which is the dearest part
 */
export const quickCheck = async (
  heartbeat: Heartbeat,
  pid: number | null,
  boundAddresses: readonly Address[],
  maxTableAgeMs: number,
): Promise<boolean> => {
  if (['stopped', 'zombie', 'gone'].includes(readProcessState(pid))) return true;
  const hasBacklog = backlogOf(boundAddresses, performance.now() - maxTableAgeMs) > 0;
  if (!(await heartbeat.pulse(ANSWER_TIMEOUT_MS))) return true;
  if (!hasBacklog) return false;
  await sleep(ANSWER_TIMEOUT_MS);
  return backlogOf(boundAddresses, performance.now()) > 0;
};
