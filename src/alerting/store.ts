import { renameSync } from 'node:fs';
import type { Log } from '../logging/logger.ts';
import { readText, writeAtomic } from '../system/files.ts';
import { type AlertState, INITIAL_ALERT_STATE } from './policy/alert-manager.ts';
import type { Outbox, Outcome } from './policy/delivery-queue.ts';

/** What became of the tries, by channel; it never goes backwards. */
export type DeliveryCounts = Readonly<Record<string, Readonly<Record<Outcome, number>>>>;

/** What is kept in alerts.json: what was said, what is still to be sent, and what was. */
export interface AlertFile {
  readonly alertState: AlertState;
  readonly outbox: Outbox;
  readonly counts: DeliveryCounts;
}

/** Of the file's layout: another one is not read. */
const VERSION = 2;

const EMPTY_FILE: AlertFile = { alertState: INITIAL_ALERT_STATE, outbox: {}, counts: {} };

/** The file, and what is in it. */
export interface AlertStore {
  read(): AlertFile;
  /** In the file when it returns. On a full disk, which is told once, it is kept in memory only. */
  update(change: Partial<AlertFile>): void;
}

/** As it was kept; nothing where there is no file. One that is not ours is put aside. */
export const openAlertStore = (path: string, log: Log): AlertStore => {
  let file = load(path, log);
  let isSaved = true;
  const save = (): void => {
    try {
      writeAtomic(path, `${JSON.stringify({ version: VERSION, ...file })}\n`);
      isSaved = true;
    } catch (error) {
      if (isSaved) log('alerts_write_failed', `Cannot keep the alerts: ${(error as Error).message}`);
      isSaved = false;
    }
  };
  return {
    read: () => file,
    update: (change) => {
      const hasChanged = (Object.keys(change) as (keyof AlertFile)[]).some(
        (key) => change[key] !== file[key],
      );
      file = { ...file, ...change };
      if (hasChanged || !isSaved) save();
    },
  };
};

/** One more try of the channel's. */
export const addOutcome = (counts: DeliveryCounts, channel: string, outcome: Outcome): DeliveryCounts => {
  const previous = counts[channel] ?? { sent: 0, failed: 0, dropped: 0 };
  return { ...counts, [channel]: { ...previous, [outcome]: previous[outcome] + 1 } };
};

const load = (path: string, log: Log): AlertFile => {
  const text = readText(path);
  if (text === undefined) return EMPTY_FILE;
  const file = parse(text);
  if (file) return file;
  const backupPath = `${path}.bad`;
  log(
    'alerts_lost',
    `⚠️  ${path} cannot be read; it is now ${backupPath}, and what was said before is forgotten`,
  );
  try {
    renameSync(path, backupPath);
  } catch {
    // It is written over then.
  }
  return EMPTY_FILE;
};

const parse = (text: string): AlertFile | undefined => {
  try {
    const { version, ...file } = JSON.parse(text) as AlertFile & { readonly version: number };
    const isValid = version === VERSION && [file.alertState, file.outbox, file.counts].every(isObject);
    return isValid ? file : undefined;
  } catch {
    return undefined;
  }
};

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;
