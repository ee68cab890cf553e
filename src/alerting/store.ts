import { existsSync } from 'node:fs';
import type * as v from 'valibot';
import { fields, recordOf, text } from '../lib/stored-fields.ts';
import { createEdgeLogger } from '../logging/edge-logger.ts';
import type { Log } from '../logging/logger.ts';
import { eachEntry, isRemoved, openStateFile, writeStateFile } from '../system/state-file.ts';
import { type DeliveryCounts, deliveryCountsSchema, NO_OUTCOMES, type Outcome } from './delivery.ts';
import { alertStateSchema, INITIAL_ALERT_STATE } from './policy/alert-manager.ts';
import { EMPTY_QUEUE, outboxSchema } from './policy/delivery-queue.ts';

const fileSchema = fields({
  /** The announcements to the channels that have no settings of their own. */
  alertState: alertStateSchema,
  /** The announcements to each kind of channel that has settings of its own. */
  ownStates: recordOf(alertStateSchema, text),
  outbox: outboxSchema,
  counts: deliveryCountsSchema,
});

/** The content of alerts.json: what was announced, what is still to be sent, and what was sent. */
export type AlertFile = v.InferOutput<typeof fileSchema>;

/** The format of alerts.json. */
export const ALERTS_FORMAT = {
  version: 2,
  schema: fileSchema,
  initial: {
    alertState: INITIAL_ALERT_STATE,
    ownStates: eachEntry(INITIAL_ALERT_STATE),
    outbox: eachEntry(EMPTY_QUEUE),
    counts: eachEntry(NO_OUTCOMES),
  },
};

/** alerts.json, with a copy in memory. */
export interface AlertStore {
  read(): AlertFile;
  /**
   * Writes the file before it returns, also without a change when somebody has removed it. A disk that is full is logged once,
   * and the change is kept in memory; the next update writes it.
   */
  update(change: Partial<AlertFile>): void;
}

/** Opens alerts.json. Without a file the state is empty; openStateFile (system/state-file.ts) says what becomes of a broken one. */
export const openAlertStore = (path: string, log: Log): AlertStore => {
  let file: AlertFile = openStateFile(path, ALERTS_FORMAT, (problem) => log('state_put_aside', problem));
  const writes = createEdgeLogger({
    onFail: (problem) => log('alerts_write_failed', `Cannot keep the alerts: ${problem}`),
  });
  let isStored = existsSync(path);
  const save = (): void => {
    try {
      writeStateFile(path, ALERTS_FORMAT.version, file);
      isStored = true;
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
      const isUnsaved = writes.problem() !== null || (isStored && isRemoved(path));
      file = { ...file, ...change };
      if (hasChanged || isUnsaved) save();
    },
  };
};

/** The counts after one more try. */
export const addOutcome = (counts: DeliveryCounts, channel: string, outcome: Outcome): DeliveryCounts => {
  const previous = counts[channel] ?? NO_OUTCOMES;
  return { ...counts, [channel]: { ...previous, [outcome]: previous[outcome] + 1 } };
};
