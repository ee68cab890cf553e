import { setTimeout as sleep } from 'node:timers/promises';
import type { Heartbeat } from '../../ipc/heartbeat.ts';
import type { Address } from '../../lib/address.ts';
import { processState } from '../../system/proc/process-state.ts';
import { backlogOf } from './listening.ts';

/** A proxy that is well answers, and takes a client out of the queue, in a few milliseconds. */
const ANSWER_MS = 100;

/**
 * What can be seen of a proxy at next to no cost, between two looks: whether there is reason to look at once. It is no
 * evidence itself: the look is what judges.
 * @param tableMs how old what was read of the socket table may be; to read it is what costs most
 */
export const glance = async (
  heartbeat: Heartbeat,
  pid: number | null,
  bound: readonly Address[],
  tableMs: number,
): Promise<boolean> => {
  if (['stopped', 'zombie', 'gone'].includes(processState(pid))) return true;
  const isWaitedFor = backlogOf(bound, performance.now() - tableMs) > 0;
  if (!(await heartbeat.pulse(ANSWER_MS))) return true;
  if (!isWaitedFor) return false;
  await sleep(ANSWER_MS);
  return backlogOf(bound, performance.now()) > 0;
};
