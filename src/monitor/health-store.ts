import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ProxyConfig } from '../config/config.ts';
import type { Pm2Evidence } from '../health/decision-table.ts';
import { type Health, newHealth } from '../health/state.ts';
import type { Pm2App, Pm2View } from '../pm2/client.ts';
import { isAlive, startedMs } from '../system/proc/procfs.ts';
import {
  filesIn,
  type Home,
  makeHome,
  modifiedMs,
  readInteger,
  readText,
  remove,
  removeDrafts,
  writeAtomic,
} from '../system/state-dir.ts';

/** What is kept of a port over restarts of the monitor. */
export interface PortMemory {
  readonly health: Health;
  /** The PM2 daemon that last had the app in its list. */
  readonly seenBy: number | null;
}

/** Of the file's layout: another one is not read. */
const VERSION = 2;

/** Counters and incidents as they were; a file that is not there or not ours is an empty memory. */
export const loadMemory = (path: string, proxies: readonly ProxyConfig[]): Map<string, PortMemory> => {
  const ports = readPorts(path);
  return new Map(
    proxies.map(({ id }) => {
      const fresh = newHealth(Date.now());
      const kept = ports[id];
      return [
        id,
        kept
          ? { ...kept, health: { ...fresh, ...kept.health, graceUntilMs: fresh.graceUntilMs } }
          : { health: fresh, seenBy: null },
      ];
    }),
  );
};

/** At its start, when nobody else writes: the drafts of a monitor, or of a proxy, that was killed while it wrote. */
export const forgetDrafts = (home: Home): void => {
  const ports = portsFolder(home);
  for (const folder of [home.path, ...filesIn(ports).map((id) => join(ports, id))]) removeDrafts(folder);
};

/** Writes monitor.json and each port's `failures`, and forgets the ports that are no longer there. */
export const saveMemory = (home: Home, memory: ReadonlyMap<string, PortMemory>): void => {
  writeAtomic(
    home.monitorState,
    `${JSON.stringify({ version: VERSION, ports: Object.fromEntries(memory) })}\n`,
  );
  for (const [id, { health }] of memory) {
    const { failures } = home.port(id);
    if (readInteger(failures) !== health.failures.consecutive) {
      makeHome(home.path, id);
      writeAtomic(failures, `${health.failures.consecutive}\n`);
    }
  }
  forgetOtherPorts(home, memory);
};

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

/**
 * The pid file of a process that is no more, or whose pid another process has by now; true when there was one.
 * @param known the proxy's pid by other evidence: that one is not another's, whatever the clocks say
 */
export const removeStalePid = (path: string, known: number | null): boolean => {
  const pid = readInteger(path);
  if (pid === undefined) return false;
  const writtenMs = modifiedMs(path);
  const isAnother =
    pid !== known && writtenMs !== undefined && (startedMs(pid) ?? 0) > writtenMs + CLOCK_SLACK_MS;
  if (isAlive(pid) && !isAnother) return false;
  remove(path);
  return true;
};

/** The kernel counts a process's start in hundredths of a second since boot, the file has the wall clock. */
const CLOCK_SLACK_MS = 2_000;

const portsFolder = (home: Home): string => dirname(dirname(home.port('1').pid));

const forgetOtherPorts = (home: Home, memory: ReadonlyMap<string, PortMemory>): void => {
  const folder = portsFolder(home);
  for (const id of filesIn(folder)) {
    const [pid, failures] = [readInteger(join(folder, id, 'pid')), readInteger(join(folder, id, 'failures'))];
    const isPort = failures !== undefined;
    if (isPort && !memory.has(id) && (pid === undefined || !isAlive(pid)))
      rmSync(join(folder, id), { recursive: true, force: true });
  }
};

const readPorts = (path: string): Readonly<Record<string, PortMemory>> => {
  try {
    const file = JSON.parse(readText(path) ?? '{}') as {
      version?: number;
      ports?: Record<string, PortMemory>;
    };
    return file.version === VERSION && file.ports ? file.ports : {};
  } catch {
    return {};
  }
};
