import { renameSync } from 'node:fs';
import { createEdgeLogger } from '../lib/edge-logger.ts';
import type { Log } from '../logging/logger.ts';
import { readStateFile, writeStateFile } from '../system/state-file.ts';
import type { DeliveryCounts, Outcome } from './delivery.ts';
import { type AlertState, INITIAL_ALERT_STATE } from './policy/alert-manager.ts';
import type { Outbox } from './policy/delivery-queue.ts';

/** The content of alerts.json: what was announced, what is still to be sent, and what was sent. */
export interface AlertFile {
  readonly alertState: AlertState;
  readonly outbox: Outbox;
  readonly counts: DeliveryCounts;
}

/** The version of the file's layout. A file with another version is not read. */
const VERSION = 2;

const EMPTY_FILE: AlertFile = { alertState: INITIAL_ALERT_STATE, outbox: {}, counts: {} };

/** alerts.json, with a copy in memory. */
export interface AlertStore {
  read(): AlertFile;
  /**
   * Writes the file before it returns. A disk that is full is logged once, and the change is kept in memory; the next update
   * writes it.
   */
  update(change: Partial<AlertFile>): void;
}

/** Opens alerts.json. Without a file the state is empty; a file that cannot be read is renamed to alerts.json.bad. */
export const openAlertStore = (path: string, log: Log): AlertStore => {
  let file = load(path, log);
  const writes = createEdgeLogger({
    onFail: (problem) => log('alerts_write_failed', `Cannot keep the alerts: ${problem}`),
  });
  const save = (): void => {
    try {
      writeStateFile(path, VERSION, file);
      writes.succeeded();
    } catch (error) {
      writes.failed((error as Error).message);
    }
  };
  return {
    read: () => file,
    update: (change) => {
      const keys = Object.keys(change) as (keyof AlertFile)[];
      const hasChanged = keys.some((key) => change[key] !== file[key]);
      const isUnsaved = writes.problem() !== null;
      file = { ...file, ...change };
      if (hasChanged || isUnsaved) save();
    },
  };
};

/** The counts after one more try. */
export const addOutcome = (counts: DeliveryCounts, channel: string, outcome: Outcome): DeliveryCounts => {
  const previous = counts[channel] ?? { sent: 0, failed: 0, dropped: 0 };
  return { ...counts, [channel]: { ...previous, [outcome]: previous[outcome] + 1 } };
};

const load = (path: string, log: Log): AlertFile => {
  const file = readStateFile<AlertFile>(path, VERSION, isAlertFile);
  if (file.kind === 'ok') return file.value;
  if (file.kind === 'unusable') putAside(path, log);
  return EMPTY_FILE;
};

const putAside = (path: string, log: Log): void => {
  const backupPath = `${path}.bad`;
  log(
    'alerts_lost',
    `⚠️  ${path} cannot be read; it is now ${backupPath}, and what was announced before is forgotten`,
  );
  try {
    renameSync(path, backupPath);
  } catch {
    // The next write replaces the file.
  }
};

const isAlertFile = ({ alertState, outbox, counts }: Partial<AlertFile>): boolean =>
  [alertState, outbox, counts].every(isObject);

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;
