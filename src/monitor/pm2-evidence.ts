import type { Pm2Evidence } from '../health/types.ts';
import type { Pm2App, Pm2View } from '../pm2/client.ts';
import type { PortMemory } from './health-store.ts';

/**
 * An app that this very daemon had in its list before has been deleted by somebody: that is the operator's wish. What
 * was stopped stays so while PM2 cannot be asked: it would look like a crash.
 */
export const pm2Status = (
  view: Pm2View,
  listed: Pm2App | undefined,
  { health, seenBy }: PortMemory,
): Pm2Evidence => {
  if (!view.ok) return health.state === 'stopped' ? 'stopped' : 'unknown';
  if (listed) return listed.status;
  return seenBy === view.daemonPid || health.state === 'stopped' ? 'deleted' : 'missing';
};
