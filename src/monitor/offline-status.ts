import { MONITOR } from '../config/app-names.ts';
import type { Config } from '../config/config.ts';
import { step } from '../health/reducer.ts';
import { newHealth } from '../health/state.ts';
import { formatAddress } from '../lib/address.ts';
import { createPm2 } from '../pm2/client.ts';
import { describeSilence, type SilentMonitor } from '../status/monitor-problem.ts';
import { NOT_LISTED, NOT_REACHABLE, type Snapshot } from '../status/snapshot.ts';
import { holderOf } from '../system/proc/port-owner.ts';
import { readProcess } from '../system/proc/procfs.ts';
import { listenerOnFile } from '../system/proc/socket-table.ts';
import type { Home } from '../system/state-dir.ts';
import { createWitness } from './checks/collect.ts';
import { loadMemory } from './health-store.ts';
import { pm2Status } from './pm2-evidence.ts';
import { describeProxy } from './snapshot.ts';

/**
 * What can be said without the monitor: PM2's list, one look of its own at every port, and the counters as last kept.
 * @param isSilent there is a monitor, and it does not answer
 */
export const lookWithoutMonitor = async (
  config: Config,
  home: Home,
  pm2Home: string,
  isSilent: boolean,
): Promise<Snapshot> => {
  const pm2 = createPm2(pm2Home);
  const view = await pm2.list();
  pm2.close();
  const memory = loadMemory(home.monitorState, config.proxies);
  // One look decides: there will be no second one to confirm it.
  const policy = { ...config.monitor, failureThreshold: 1, successThreshold: 1 };
  const proxies = await Promise.all(
    config.proxies.map(async (proxy) => {
      const app = view.ok ? view.apps.get(proxy.name) : undefined;
      const remembered = memory.get(proxy.id) ?? { health: newHealth(0), seenBy: null };
      const status = pm2Status(view, app, remembered);
      const witness = createWitness(proxy, config.monitor, home.port(proxy.id).socket, {
        onLeaving: () => {},
        onEnd: () => {},
        onNews: () => {},
        onReport: () => {},
      });
      const sighting = await witness.look({ status, app }, { eager: true, hurried: false, late: false });
      witness.close();
      const health = { ...remembered.health, graceUntilMs: 0 };
      const event = {
        kind: 'look',
        atMs: Date.now(),
        pid: sighting.pid,
        evidence: sighting.evidence,
        isProbed: true,
      } as const;
      const about = {
        ...policy,
        place: proxy.place,
        upstream: formatAddress(proxy.upstream),
        optional: proxy.optional,
        isBraked: false,
      };
      const { state, cause, sinceMs } = step(health, event, about).health;
      const word = view.ok ? (app?.word ?? NOT_LISTED) : NOT_REACHABLE;
      return describeProxy(
        proxy,
        { ...health, state, cause, sinceMs },
        sighting,
        { word, ending: null },
        config.monitor.failureThreshold,
      );
    }),
  );
  const listed = view.ok ? view.apps.get(MONITOR)?.pid : undefined;
  const monitorProblem = isSilent ? describeSilence(findMonitor(home, listed ?? null)) : null;
  return { version: 1, generatedAt: Date.now(), monitor: null, monitorProblem, proxies, log: [] };
};

/** Who has its socket; who PM2 says it is, where that may not be looked at. */
const findMonitor = ({ monitorSocket }: Home, listed: number | null): SilentMonitor => {
  const socket = listenerOnFile(monitorSocket);
  const pid = (socket && holderOf(socket).pid) ?? listed;
  return { pid, state: (pid === null ? undefined : readProcess(pid)?.state) ?? null };
};
