import type { Pm2Evidence } from '../../health/types.ts';
import { PENDING, type Pm2App, type Pm2View } from '../../pm2/client.ts';
import { PM2_NOT_LISTED, PM2_NOT_REACHABLE } from '../../status/snapshot.ts';
import type { ProxyRecord } from '../health-store.ts';

/**
 * The state of an app by PM2's list. An app that this very daemon had in its list before was deleted by the operator. An app
 * that was stopped stays `stopped` while PM2 cannot be asked, or it would count as a crash.
 */
export const pm2EvidenceOf = (
  view: Pm2View,
  listed: Pm2App | undefined,
  { health, daemonPid }: ProxyRecord,
): Pm2Evidence => {
  if (!view.ok) return health.state === 'stopped' ? 'stopped' : 'unknown';
  if (listed) return listed.status;
  if (health.state === 'stopped') return 'deleted';
  // Without the daemon's pid, one that has just come cannot be told from the one that had the app.
  if (view.daemonPid === null) return 'unknown';
  return daemonPid === view.daemonPid ? 'deleted' : 'missing';
};

/** PM2's restart delay is at most 15 s (handleExit in lib/God.js of PM2); a busy daemon takes a little longer. */
const MAX_RESTART_WAIT_MS = 20_000;

/**
 * Finds out that PM2 has forgotten a restart: it does when the attempt fails before there is a process, as for want of memory. Its
 * list then shows "waiting restart", and the process before, for ever.
 * @param now a monotonic clock, in milliseconds. Default: performance.now
 * @returns a function that takes the app's state of each list, and gives it, or `start_failed` when it waits for too long
 */
export const createRestartWait = (now = (): number => performance.now()) => {
  let waiting: { readonly pid: number | null; readonly since: number } | undefined;
  return (status: Pm2Evidence, pid: number | null): Pm2Evidence => {
    if (status !== 'waiting_restart') {
      waiting = undefined;
      return status;
    }
    if (waiting?.pid !== pid) waiting = { pid, since: now() };
    return now() - waiting.since > MAX_RESTART_WAIT_MS ? 'start_failed' : status;
  };
};

/** The app's status by PM2, in words; null while PM2's answer is pending. */
export const pm2StatusTextOf = (view: Pm2View, listed: Pm2App | undefined): string | null => {
  if (view.ok) return listed?.statusText ?? PM2_NOT_LISTED;
  return view.problem === PENDING ? null : PM2_NOT_REACHABLE;
};
