import type { Pm2Evidence } from '../health/types.ts';
import type { Pm2App, Pm2View } from '../pm2/client.ts';
import type { ProxyRecord } from './health-store.ts';

/**
 * An app that this very daemon had in its list before has been deleted by somebody: that is the operator's wish. What
 * was stopped stays so while PM2 cannot be asked: it would look like a crash.
 */
export const pm2EvidenceOf = (
  view: Pm2View,
  listed: Pm2App | undefined,
  { health, daemonPid }: ProxyRecord,
): Pm2Evidence => {
  if (!view.ok) return health.state === 'stopped' ? 'stopped' : 'unknown';
  if (listed) return listed.status;
  return daemonPid === view.daemonPid || health.state === 'stopped' ? 'deleted' : 'missing';
};
