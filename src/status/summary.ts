import { isWithin } from '../lib/duration.ts';
import type { ProxyStatus, Snapshot } from './snapshot.ts';

/** 0: all up (an optional proxy may wait, a proxy that is not needed counts as up); 1: anything else; 3: no monitor. */
export const exitCodeOf = ({ monitor, proxies }: Snapshot): 0 | 1 | 3 =>
  monitor === null ? 3 : proxies.length > 0 && proxies.every(isHealthy) ? 0 : 1;

/** Looks that are late by so much are no news of how things are. */
const MAX_CHECK_DELAY_MS = 10_000;

/** All up, as the exit code has it, and looked at of late: for those who are told while it is so. */
export const isFreshAndHealthy = (snapshot: Snapshot): boolean => {
  const { monitor, generatedAt } = snapshot;
  return (
    exitCodeOf(snapshot) === 0 &&
    monitor !== null &&
    isWithin(monitor.lastCheckAt, generatedAt, monitor.intervalMs + MAX_CHECK_DELAY_MS)
  );
};

export const isHealthy = ({ state }: ProxyStatus): boolean =>
  state === 'up' || state === 'waiting' || state === 'not_needed';

/** Names, ports and labels match; undefined when nothing does. */
export const selectProxies = (snapshot: Snapshot, query: string): Snapshot | undefined => {
  const proxies = snapshot.proxies.filter((proxy) => matchesQuery(proxy, query));
  return proxies.length === 0 ? undefined : { ...snapshot, proxies };
};

/** By its PM2 app's name, its port or socket's name, or its label, in any case. */
export const matchesQuery = (
  { name, id, label }: Pick<ProxyStatus, 'name' | 'id' | 'label'>,
  query: string,
): boolean => [name, id, label].some((candidate) => candidate.toLowerCase() === query.toLowerCase());

export const headlineOf = ({ monitor, monitorProblem, proxies }: Snapshot): string => {
  const unhealthy = proxies.filter((proxy) => !isHealthy(proxy));
  const monitorNotice = monitorProblem
    ? 'The monitor does not answer. '
    : monitor === null
      ? 'No monitor. '
      : '';
  if (unhealthy.length === 0)
    return `${monitorNotice}All ${proxies.length} ports are up.`.replace('All 1 ports are', 'The port is');
  return `${monitorNotice}${unhealthy.length} of ${proxies.length} ports not up: ${unhealthy.map(({ id, state, cause }) => `${id} ${cause ?? state}`).join(', ')}`;
};
