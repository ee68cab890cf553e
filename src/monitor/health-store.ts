import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ProxyConfig } from '../config/config.ts';
import { type Health, newHealth } from '../health/state.ts';
import { filesIn, readInteger, readText, writeAtomic } from '../system/files.ts';
import { isAlive } from '../system/proc/procfs.ts';
import { type Home, makeHome, removeDrafts } from '../system/state-dir.ts';

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
