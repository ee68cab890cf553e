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

/** The app's status by PM2, in words; null while PM2's answer is pending. */
export const pm2StatusTextOf = (view: Pm2View, listed: Pm2App | undefined): string | null => {
  if (view.ok) return listed?.statusText ?? PM2_NOT_LISTED;
  return view.problem === PENDING ? null : PM2_NOT_REACHABLE;
};
