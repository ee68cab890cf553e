import { count, fields, flag, recordOf, text } from '../lib/stored-fields.ts';
import type { ProxyReport } from '../proxy/report.ts';
import { eachEntry, isRemoved, openStateFile, writeStateFile } from '../system/state-file.ts';
import {
  addReport,
  type CounterTotals,
  counterTotalsSchema,
  NO_COUNTS,
  type Totals,
  totalsOf,
} from './counter-totals.ts';

/** The counts of all ports and of the monitor. They survive the ends of the proxies' processes and of the monitor. */
export interface CounterStore {
  add(id: string, report: ProxyReport): void;
  /**
   * The counts that may be shown. They are saved first, so a later monitor never shows less, however this one ends.
   * When the disk is full, they are shown without being saved.
   */
  read(): ReadonlyMap<string, Totals>;
  /** The ends of monitors that nobody had asked to leave: they crashed, were killed, or the machine went down. */
  monitorCrashes(): number;
  /** Writes the file anew when somebody has removed it. */
  keep(): void;
  /** Saves the counts. Call it when this monitor leaves as it was asked to: without it, its end counts as a crash. */
  close(): void;
}

/** The format of monitor-counts.json. */
export const COUNTS_FORMAT = {
  version: 2,
  schema: fields({
    monitor: fields({
      crashes: count,
      /** True while a monitor runs, and after one that was not asked to leave. */
      isRunning: flag,
    }),
    ports: recordOf(counterTotalsSchema, text),
  }),
  initial: { monitor: { crashes: 0, isRunning: false }, ports: eachEntry(NO_COUNTS) },
};

/**
 * @param path of the file that earlier monitors have written; the counts of a port begin at 0 when they are missing or unusable
 * @param onProblem see openStateFile (system/state-file.ts)
 */
export const openCounterStore = (
  path: string,
  ids: readonly string[],
  onProblem: (text: string) => void,
): CounterStore => {
  const { monitor, ports } = openStateFile(path, COUNTS_FORMAT, onProblem);
  const crashes = monitor.crashes + (monitor.isRunning ? 1 : 0);
  const counters = new Map(ids.map((id) => [id, withProcess(ports[id] ?? NO_COUNTS)]));
  let isChanged = false;

  const save = (isRunning: boolean): void => {
    try {
      writeStateFile(path, COUNTS_FORMAT.version, {
        monitor: { crashes, isRunning },
        ports: Object.fromEntries(counters),
      });
      isChanged = false;
    } catch {
      // The monitor's file of health states lies on the same disk, and its failure is logged.
    }
  };

  save(true);

  return {
    add: (id, report) => {
      const processKey = `${report.pid} ${report.startedAt}`;
      counters.set(id, addReport(counters.get(id) ?? NO_COUNTS, processKey, totalsIn(report)));
      isChanged = true;
    },
    read: () => {
      if (isChanged) save(true);
      return new Map([...counters].map(([id, counterTotals]) => [id, totalsOf(counterTotals)]));
    },
    monitorCrashes: () => crashes,
    keep: () => {
      if (isRemoved(path)) save(true);
    },
    close: () => save(false),
  };
};

/** Counts of an unknown process are left out: the next report of that process has them again, and would be added to them. */
const withProcess = (counters: CounterTotals): CounterTotals =>
  counters.current.processKey === '' ? { ...counters, current: NO_COUNTS.current } : counters;

/** The part of a report that only grows while the process lives. */
const totalsIn = ({ connections, cpuMs = 0 }: ProxyReport): Totals => ({
  total: connections.total,
  bytesToUpstream: connections.bytesToUpstream,
  bytesToClient: connections.bytesToClient,
  connectFailures: connections.connectFailures,
  byReason: connections.byReason,
  connect: connections.connect,
  duration: connections.duration,
  cpuMs,
});
