import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type * as v from 'valibot';
import type { ProxyConfig } from '../config/config.ts';
import { CRASH_LOOP } from '../health/decision-table.ts';
import { createHealth, healthSchema } from '../health/state.ts';
import { isWithin } from '../lib/duration.ts';
import { count, fields, orNull, recordOf, text } from '../lib/stored-fields.ts';
import { listFiles, readInteger, writeAtomic } from '../system/files.ts';
import { isAlive } from '../system/proc/procfs.ts';
import { makePortFolder, removeTempFiles, type StateDir } from '../system/state-dir.ts';
import { eachEntry, openStateFile, readStateFile, writeStateFile } from '../system/state-file.ts';

const recordSchema = fields({
  health: healthSchema,
  /** The PM2 daemon that last had the app in its list; null, and 0 in older files: unknown. */
  daemonPid: orNull(count),
});

/** The stored facts about a port. They outlive a restart of the monitor. */
export type ProxyRecord = v.InferOutput<typeof recordSchema>;

const VERSION = 3;

/** The format of monitor.json. @param now the time at which ports without a record were first seen */
export const healthFormat = (now: number) => ({
  version: VERSION,
  schema: fields({ ports: recordOf(recordSchema, text) }),
  initial: { ports: eachEntry<ProxyRecord>({ health: createHealth(now), daemonPid: null }) },
});

/**
 * Reads the record of each proxy. A port that the file does not have gets an empty record.
 * @param onProblem see openStateFile (system/state-file.ts). Default: the file is only read, and problems are not reported
 */
export const loadHealth = (
  path: string,
  proxies: readonly ProxyConfig[],
  onProblem?: (text: string) => void,
): Map<string, ProxyRecord> => {
  const now = Date.now();
  const format = healthFormat(now);
  const { ports } = onProblem ? openStateFile(path, format, onProblem) : readStateFile(path, format).value;
  return new Map(
    proxies.map(({ id }) => {
      const initial = createHealth(now);
      const stored = ports[id];
      return [
        id,
        stored
          ? { ...stored, health: { ...stored.health, graceEndsAt: initial.graceEndsAt } }
          : { health: initial, daemonPid: null },
      ];
    }),
  );
};

/** The ports that have crashed so recently that a further crash may make a crash loop. It changes nothing, and never throws. */
export const recentlyCrashedPorts = (path: string): readonly string[] => {
  const now = Date.now();
  const isRecent = (at: number): boolean => isWithin(at, now, CRASH_LOOP.windowMs);
  const { ports } = readStateFile(path, healthFormat(now)).value;
  return Object.keys(ports).filter((id) => ports[id]?.health.crashedAt.some(isRecent));
};

/**
 * Forgets the crashes of these ports and their failures in a row, so that those of a process that was replaced make no crash
 * loop, and no verdict, of its successor. Call it only while no monitor runs, since a monitor writes the file from its memory.
 * @param onProblem see openStateFile (system/state-file.ts)
 * @throws the system's error, such as ENOSPC
 */
export const forgetCrashes = (
  path: string,
  ids: readonly string[],
  onProblem: (text: string) => void,
): void => {
  const { ports } = openStateFile(path, healthFormat(Date.now()), onProblem);
  const forget = (id: string, record: ProxyRecord): ProxyRecord => {
    if (!ids.includes(id)) return record;
    const { health } = record;
    return {
      ...record,
      health: { ...health, crashedAt: [], failures: { ...health.failures, consecutive: 0 } },
    };
  };
  const records = Object.entries(ports).map(([id, record]) => [id, forget(id, record)]);
  writeStateFile(path, VERSION, { ports: Object.fromEntries(records) });
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
      makePortFolder(stateDir, id);
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
