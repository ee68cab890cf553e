import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ProxyConfig } from '../config/config.ts';
import { createHealth, type Health } from '../health/state.ts';
import { listFiles, readInteger, readText, writeAtomic } from '../system/files.ts';
import { isAlive } from '../system/proc/procfs.ts';
import { makeStateDir, removeTempFiles, type StateDir } from '../system/state-dir.ts';

/** What is kept of a port over restarts of the monitor. */
export interface ProxyRecord {
  readonly health: Health;
  /** The PM2 daemon that last had the app in its list. */
  readonly daemonPid: number | null;
}

/** Of the file's layout: another one is not read. */
const VERSION = 3;

/** Counters and incidents as they were; a file that is not there or not ours is an empty memory. */
export const loadHealth = (path: string, proxies: readonly ProxyConfig[]): Map<string, ProxyRecord> => {
  const recordsById = readRecords(path);
  return new Map(
    proxies.map(({ id }) => {
      const initial = createHealth(Date.now());
      const stored = recordsById[id];
      return [
        id,
        stored
          ? { ...stored, health: { ...initial, ...stored.health, graceEndsAt: initial.graceEndsAt } }
          : { health: initial, daemonPid: null },
      ];
    }),
  );
};

/** At its start, when nobody else writes: the drafts of a monitor, or of a proxy, that was killed while it wrote. */
export const removeAllDrafts = (stateDir: StateDir): void => {
  const { path, portsFolder } = stateDir;
  for (const folder of [path, ...listFiles(portsFolder).map((id) => join(portsFolder, id))])
    removeTempFiles(folder);
};

/** Writes monitor.json and each port's `failures`, and forgets the ports that are no longer there. */
export const saveHealth = (stateDir: StateDir, records: ReadonlyMap<string, ProxyRecord>): void => {
  writeAtomic(
    stateDir.monitorStateFile,
    `${JSON.stringify({ version: VERSION, ports: Object.fromEntries(records) })}\n`,
  );
  for (const [id, { health }] of records) {
    const { failuresFile } = stateDir.portFiles(id);
    if (readInteger(failuresFile) !== health.failures.consecutive) {
      makeStateDir(stateDir.path, id);
      writeAtomic(failuresFile, `${health.failures.consecutive}\n`);
    }
  }
  removeOtherPorts(stateDir, records);
};

const removeOtherPorts = (stateDir: StateDir, records: ReadonlyMap<string, ProxyRecord>): void => {
  const folder = stateDir.portsFolder;
  for (const id of listFiles(folder)) {
    const [pid, failures] = [readInteger(join(folder, id, 'pid')), readInteger(join(folder, id, 'failures'))];
    const isPort = failures !== undefined;
    if (isPort && !records.has(id) && (pid === undefined || !isAlive(pid)))
      rmSync(join(folder, id), { recursive: true, force: true });
  }
};

const readRecords = (path: string): Readonly<Record<string, ProxyRecord>> => {
  try {
    const file = JSON.parse(readText(path) ?? '{}') as {
      version?: number;
      ports?: Record<string, ProxyRecord>;
    };
    return file.version === VERSION && file.ports ? file.ports : {};
  } catch {
    return {};
  }
};
