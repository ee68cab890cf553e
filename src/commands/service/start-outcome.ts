import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../config/config.ts';
import type { Project } from '../../config/project/project.ts';
import type { Settings } from '../../config/settings.ts';
import { isUsageError } from '../../lib/usage-error.ts';
import type { OfflineStatus } from '../../monitor/offline-status.ts';
import { createPm2, type Pm2View } from '../../pm2/client.ts';
import type { ProxyStatus, Snapshot } from '../../status/snapshot.ts';
import { isDecided } from '../../status/summary.ts';
import { askMonitor, askStatusAndEvidence, checkOffline, isAnswer, type NoAnswer } from '../ask-monitor.ts';

/** What runs after the start. */
export interface Outcome {
  readonly view: Pm2View;
  readonly snapshot: Snapshot;
}

/** A probe without an answer takes twice the default `probeTimeoutMs`. After this time the status says what is known. */
const MAX_WAIT_MS = 5_000;
const ASK_INTERVAL_MS = 50;

/** Asks PM2 and the monitor until there is a verdict on every proxy as it runs now, or until MAX_WAIT_MS have passed. */
export const waitForVerdicts = async (config: Config, settings: Settings): Promise<Outcome> => {
  const pm2 = createPm2(settings.pm2Home);
  try {
    for (const startedAt = performance.now(); ; await sleep(ASK_INTERVAL_MS)) {
      const view = await pm2.list();
      const answer = await askVerdicts(settings);
      if (isAnswer(answer) && isEveryProxyDecided(view, settings.project, answer))
        return { view, snapshot: answer.snapshot };
      if (performance.now() - startedAt < MAX_WAIT_MS) continue;
      const { snapshot } = isAnswer(answer) ? answer : await checkOffline(config, settings, answer);
      return { view, snapshot };
    }
  } finally {
    pm2.close();
  }
};

/** True when PM2 runs every app, PM2's monitor answers, and no proxy crashes or has no address to listen on. */
export const hasComeUp = (
  { view, snapshot }: Outcome,
  project: Project,
  apps: readonly { readonly name: string }[],
): boolean => {
  const isRunning = ({ name }: { readonly name: string }): boolean =>
    view.ok && view.apps.get(name)?.status === 'online';
  return (
    apps.every(isRunning) &&
    !isAnotherMonitor({ view, snapshot }, project) &&
    snapshot.monitor !== null &&
    !snapshot.proxies.some((proxy) => isCrashing(proxy) || proxy.cause === 'not_listening')
  );
};

/** True when the monitor that answers is not PM2's, which waits until that one leaves. */
export const isAnotherMonitor = (
  { view, snapshot: { monitor } }: Outcome,
  { monitorApp }: Project,
): boolean => monitor !== null && view.ok && monitor.pid !== view.apps.get(monitorApp)?.pid;

const isCrashing = ({ cause }: ProxyStatus): boolean =>
  cause === 'crashed' || cause === 'crash_loop' || cause === 'cannot_start';

/** True while a port still has the cause of the process before: the present one has not failed yet. */
const isRecovering = (proxy: ProxyStatus): boolean => isCrashing(proxy) && proxy.failures.consecutive === 0;

/** A monitor of another version is one that is about to be replaced. */
const askVerdicts = async (settings: Settings): Promise<OfflineStatus | NoAnswer> => {
  try {
    return await askMonitor(settings, askStatusAndEvidence);
  } catch (error) {
    if (isUsageError(error)) return 'silent';
    throw error;
  }
};

/**
 * True when PM2's monitor answers, and has checked the processes that PM2 has now and not those before them. A proxy that
 * is stopped for the monitor was checked by PM2's list from before the start.
 */
const isEveryProxyDecided = (
  view: Pm2View,
  { monitorApp }: Project,
  { snapshot, evidence }: OfflineStatus,
): boolean => {
  const pidOf = (name: string): number | null => (view.ok ? (view.apps.get(name)?.pid ?? null) : null);
  const isProxyDecided = (proxy: ProxyStatus): boolean =>
    evidence[proxy.name]?.pid === pidOf(proxy.name) &&
    proxy.state !== 'stopped' &&
    isDecided(proxy) &&
    !isRecovering(proxy);
  return snapshot.monitor?.pid === pidOf(monitorApp) && snapshot.proxies.every(isProxyDecided);
};
