import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ProxyConfig } from '../config/config.ts';
import { createHealth, type Health } from '../health/state.ts';
import { listFiles, readInteger, writeAtomic } from '../system/files.ts';
import { isAlive } from '../system/proc/procfs.ts';
import { makeStateDir, removeTempFiles, type StateDir } from '../system/state-dir.ts';
import { readStateFile, writeStateFile } from '../system/state-file.ts';

/** The stored facts about a port. They outlive a restart of the monitor. */
export interface ProxyRecord {
  readonly health: Health;
  /** The PM2 daemon that last had the app in its list. */
  readonly daemonPid: number | null;
}

/** The version of the file's layout: a file of another version is not read. */
const VERSION = 3;

interface StoredRecords {
  readonly ports: Readonly<Record<string, ProxyRecord>>;
}

/**
 * Reads the record of each proxy. A port that the file does not have gets an empty record, and so does each port when the
 * file cannot be read, has another version or is not valid: nothing is logged then, and the next save replaces the file.
 * A field that an older monitor did not store gets its first value.
 */
export const loadHealth = (path: string, proxies: readonly ProxyConfig[]): Map<string, ProxyRecord> => {
  const file = readStateFile<StoredRecords>(path, VERSION, ({ ports }) => Boolean(ports));
  const recordsById = file.kind === 'ok' ? file.value.ports : {};
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

/**
 * Removes the drafts of a monitor, or of a proxy, that was killed while it wrote. Call it at the start, when no other
 * process writes.
 */
export const removeAllDrafts = (stateDir: StateDir): void => {
  const { path, portsFolder } = stateDir;
  for (const folder of [path, ...listFiles(portsFolder).map((id) => join(portsFolder, id))])
    removeTempFiles(folder);
};

/**
 * Writes monitor.json and the `failures` file of each port, and removes the ports that are no longer there.
 * @throws the system's error, such as ENOSPC
 */
export const saveHealth = (stateDir: StateDir, records: ReadonlyMap<string, ProxyRecord>): void => {
  writeStateFile(stateDir.monitorStateFile, VERSION, { ports: Object.fromEntries(records) });
  for (const [id, { health }] of records) {
    const { failuresFile } = stateDir.portFiles(id);
    if (readInteger(failuresFile) !== health.failures.consecutive) {
      makeStateDir(stateDir.path, id);
      writeAtomic(failuresFile, `${health.failures.consecutive}\n`);
    }
  }
  removeOtherPorts(stateDir, records);
};

/** Removes the folder of each port that has no record, unless its proxy still runs. */
const removeOtherPorts = (stateDir: StateDir, records: ReadonlyMap<string, ProxyRecord>): void => {
  const ports = stateDir.portsFolder;
  for (const id of listFiles(ports)) {
    const folder = join(ports, id);
    const isPort = readInteger(join(folder, 'failures')) !== undefined;
    const pid = readInteger(join(folder, 'pid'));
    const isRunning = pid !== undefined && isAlive(pid);
    if (isPort && !records.has(id) && !isRunning) rmSync(folder, { recursive: true, force: true });
  }
};
