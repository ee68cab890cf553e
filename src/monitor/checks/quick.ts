import { setTimeout as sleep } from 'node:timers/promises';
import type { Heartbeat } from '../../ipc/heartbeat.ts';
import type { Address } from '../../lib/address.ts';
import { readProcessState } from '../../system/proc/process-state.ts';
import { backlogOf } from './listening.ts';

/** A proxy that is well answers, and takes a client out of the queue, in a few milliseconds. */
const ANSWER_TIMEOUT_MS = 100;

/**
 * What can be seen of a proxy at next to no cost, between two looks: whether there is reason to look at once. It is no
 * evidence itself: the look is what judges.
 * @param maxTableAgeMs how old what was read of the socket table may be; to read it is what costs most
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
