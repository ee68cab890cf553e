import { isWithin } from '../lib/duration.ts';
import { MONITOR_PROBLEM_KINDS } from './monitor-problem.ts';
import type { Snapshot } from './snapshot.ts';
import { hasPorts, supervisionProblemOf } from './summary.ts';

/** A check that is later than this proves nothing about the present. */
const MAX_CHECK_DELAY_MS = 10_000;

/**
 * Why this machine does not serve what is wanted of it; null when it does. The supervision must work, and no port may be down.
 * A port that is disabled, or that the operator has stopped, is not wanted, and one that waits for an optional application is not down.
 * `/readyz` fails, and the dead man's switch gets nothing, while there is such a problem.
 */
export const readinessProblem = (snapshot: Snapshot): string | null =>
  supervisionProblem(snapshot) ?? portsProblem(snapshot);

const supervisionProblem = ({ monitor, generatedAt }: Snapshot): string | null => {
  if (monitor === null) return 'no monitor';
  const { pm2Problem, lastCheckAt, intervalMs } = monitor;
  const problem = supervisionProblemOf(monitor);
  if (problem) return `${MONITOR_PROBLEM_KINDS[problem.kind].label}: ${problem.text}`;
  if (pm2Problem !== null) return `PM2: ${pm2Problem}`;
  return isWithin(lastCheckAt, generatedAt, intervalMs + MAX_CHECK_DELAY_MS)
    ? null
    : 'the last check is too old';
};

const portsProblem = (snapshot: Snapshot): string | null => {
  if (!hasPorts(snapshot)) return 'no ports';
  const downProxies = snapshot.proxies.filter(({ state }) => state === 'down');
  return downProxies.length === 0
    ? null
    : `down: ${downProxies.map(({ id, cause }) => `${id} (${cause})`).join(', ')}`;
};
