import type { ProxyReport } from '../proxy/report.ts';
import { readStateFile, writeStateFile } from '../system/state-file.ts';
import {
  addReport,
  type CounterTotals,
  isCounterTotals,
  NO_COUNTS,
  type Totals,
  totalsOf,
} from './counter-totals.ts';

/** The counts of all ports. They survive the ends of the proxies' processes and of the monitor. */
export interface CounterStore {
  add(id: string, report: ProxyReport): void;
  /**
   * The counts that may be shown. They are saved first, so a later monitor never shows less, however this one ends.
   * When the disk is full, they are shown without being saved.
   */
  read(): ReadonlyMap<string, Totals>;
}

/** The version of the file's layout. A file of another version is not read. */
const VERSION = 2;

interface CounterFile {
  readonly ports: Readonly<Record<string, unknown>>;
}

/** @param path of the file that earlier monitors have written; the counts of a port begin at 0 when they are missing or unusable */
export const openCounterStore = (path: string, ids: readonly string[]): CounterStore => {
  const file = readStateFile<CounterFile>(path, VERSION, ({ ports }) => isObject(ports));
  const stored = file.kind === 'ok' ? file.value.ports : {};
  const storedOf = (id: string): CounterTotals => {
    const counts = stored[id];
    return isCounterTotals(counts) ? counts : NO_COUNTS;
  };
  const counters = new Map(ids.map((id) => [id, storedOf(id)]));
  let isChanged = false;

  const save = (): void => {
    try {
      writeStateFile(path, VERSION, { ports: Object.fromEntries(counters) } satisfies CounterFile);
      isChanged = false;
    } catch {
      // The monitor's file of health states lies on the same disk, and its failure is logged.
    }
  };

  return {
    add: (id, report) => {
      const processKey = `${report.pid} ${report.startedAt}`;
      counters.set(id, addReport(counters.get(id) ?? NO_COUNTS, processKey, totalsIn(report)));
      isChanged = true;
    },
    read: () => {
      if (isChanged) save();
      return new Map([...counters].map(([id, counterTotals]) => [id, totalsOf(counterTotals)]));
    },
  };
};

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;

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
