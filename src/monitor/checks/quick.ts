import { setTimeout as sleep } from 'node:timers/promises';
import type { Heartbeat } from '../../ipc/heartbeat.ts';
import type { Address } from '../../lib/address.ts';
import { readProcessState } from '../../system/proc/process-state.ts';
import { backlogOf } from './listening.ts';

/** A healthy proxy answers, and accepts a client that waits, in a few milliseconds. */
const ANSWER_TIMEOUT_MS = 100;

/**
 * Looks at a proxy between two checks, at next to no cost: whether its process runs, whether it answers, and whether a client
 * waits to be accepted. True is a reason to check at once, and no evidence by itself: only the check gives a verdict.
 * @param maxTableAgeMs how old the socket table may be; to read it costs the most
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
