import { isWithin } from '../lib/duration.ts';
import type { ProxyStatus, Snapshot } from './snapshot.ts';

/** 0: all up (an optional proxy may wait, a proxy that is not needed counts as up); 1: anything else; 3: no monitor. */
export const exitCode = ({ monitor, proxies }: Snapshot): 0 | 1 | 3 =>
  monitor === null ? 3 : proxies.length > 0 && proxies.every(isFine) ? 0 : 1;

/** Looks that are late by so much are no news of how things are. */
const MOST_LATE_MS = 10_000;

/** All up, as the exit code has it, and looked at of late: for those who are told while it is so. */
export const isWell = (snapshot: Snapshot): boolean => {
  const { monitor, generatedAt } = snapshot;
  return (
    exitCode(snapshot) === 0 &&
    monitor !== null &&
    isWithin(monitor.lastCheckAt, generatedAt, monitor.intervalMs + MOST_LATE_MS)
  );
};

export const isFine = ({ state }: ProxyStatus): boolean =>
  state === 'up' || state === 'waiting' || state === 'not_needed';

/** Names, ports and labels match; undefined when nothing does. */
export const selectProxies = (snapshot: Snapshot, wanted: string): Snapshot | undefined => {
  const proxies = snapshot.proxies.filter((proxy) => isCalled(proxy, wanted));
  return proxies.length === 0 ? undefined : { ...snapshot, proxies };
};

/** By its PM2 app's name, its port or socket's name, or its label, in any case. */
export const isCalled = (
  { name, id, label }: Pick<ProxyStatus, 'name' | 'id' | 'label'>,
  wanted: string,
): boolean => [name, id, label].some((word) => word.toLowerCase() === wanted.toLowerCase());

export const headline = ({ monitor, monitorProblem, proxies }: Snapshot): string => {
  const bad = proxies.filter((proxy) => !isFine(proxy));
  const without = monitorProblem ? 'The monitor does not answer. ' : monitor === null ? 'No monitor. ' : '';
  if (bad.length === 0)
    return `${without}All ${proxies.length} ports are up.`.replace('All 1 ports are', 'The port is');
  return `${without}${bad.length} of ${proxies.length} ports not up: ${bad.map(({ id, state, cause }) => `${id} ${cause ?? state}`).join(', ')}`;
};
