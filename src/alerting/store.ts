import { renameSync } from 'node:fs';
import type { Log } from '../logging/logger.ts';
import { readText, writeAtomic } from '../system/files.ts';
import { type Alerting, NOTHING_SAID } from './policy/alert-manager.ts';
import type { Outbox, Outcome } from './policy/delivery-queue.ts';

/** What became of the tries, by channel; it never goes backwards. */
export type Counts = Readonly<Record<string, Readonly<Record<Outcome, number>>>>;

/** What is kept in alerts.json: what was said, what is still to be sent, and what was. */
export interface Kept {
  readonly alerting: Alerting;
  readonly outbox: Outbox;
  readonly counts: Counts;
}

/** Of the file's layout: another one is not read. */
const VERSION = 1;

const NOTHING_KEPT: Kept = { alerting: NOTHING_SAID, outbox: {}, counts: {} };

/** The file, and what is in it. */
export interface Keeping {
  kept(): Kept;
  /** In the file when it returns. On a full disk, which is told once, it is kept in memory only. */
  keep(change: Partial<Kept>): void;
}

/** As it was kept; nothing where there is no file. One that is not ours is put aside. */
export const openKeeping = (path: string, log: Log): Keeping => {
  let kept = load(path, log);
  let isSaved = true;
  const save = (): void => {
    try {
      writeAtomic(path, `${JSON.stringify({ version: VERSION, ...kept })}\n`);
      isSaved = true;
    } catch (error) {
      if (isSaved) log('alerts_write_failed', `Cannot keep the alerts: ${(error as Error).message}`);
      isSaved = false;
    }
  };
  return {
    kept: () => kept,
    keep: (change) => {
      const isNew = (Object.keys(change) as (keyof Kept)[]).some((key) => change[key] !== kept[key]);
      kept = { ...kept, ...change };
      if (isNew || !isSaved) save();
    },
  };
};

/** One more try of the channel's. */
export const counted = (counts: Counts, name: string, outcome: Outcome): Counts => {
  const before = counts[name] ?? { sent: 0, failed: 0, dropped: 0 };
  return { ...counts, [name]: { ...before, [outcome]: before[outcome] + 1 } };
};

const load = (path: string, log: Log): Kept => {
  const text = readText(path);
  if (text === undefined) return NOTHING_KEPT;
  const kept = parse(text);
  if (kept) return kept;
  const aside = `${path}.bad`;
  log('alerts_lost', `⚠️  ${path} cannot be read; it is now ${aside}, and what was said before is forgotten`);
  try {
    renameSync(path, aside);
  } catch {
    // It is written over then.
  }
  return NOTHING_KEPT;
};

const parse = (text: string): Kept | undefined => {
  try {
    const { version, ...kept } = JSON.parse(text) as Kept & { readonly version: number };
    const isOurs = version === VERSION && [kept.alerting, kept.outbox, kept.counts].every(isObject);
    return isOurs ? kept : undefined;
  } catch {
    return undefined;
  }
};

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;
