import type { ProxyReport } from '../proxy/report.ts';
import { readText, writeAtomic } from '../system/files.ts';
import { addReport, type CounterTotals, NO_COUNTS, type Totals, totalsOf } from './counter-totals.ts';

/** The counts of all ports, over the ends of their processes and of monitors. */
export interface CounterStore {
  add(id: string, report: ProxyReport): void;
  /**
   * What may be shown. It is in the file by then: a monitor after this one, however this one ends, shows no less. On a
   * full disk it is shown without.
   */
  read(): ReadonlyMap<string, Totals>;
}

/** Of the file's layout: another one is not read. */
const VERSION = 2;

/** @param path of what an earlier monitor has kept; no file, or one that is not ours, is nothing */
export const openCounterStore = (path: string, ids: readonly string[]): CounterStore => {
  const stored = read(path);
  const counters = new Map(ids.map((id) => [id, stored[id] ?? NO_COUNTS]));
  let isChanged = false;
  const save = (): void => {
    try {
      writeAtomic(path, `${JSON.stringify({ version: VERSION, ports: Object.fromEntries(counters) })}\n`);
      isChanged = false;
    } catch {
      // Told by the file of the counters, which is on the same disk.
    }
  };
  return {
    add: (id, { pid, startedAt, connections, cpuMs = 0 }) => {
      const { total, bytesToUpstream, bytesToClient, connectFailures, byReason, connect, duration } =
        connections;
      const totals = {
        total,
        bytesToUpstream,
        bytesToClient,
        connectFailures,
        byReason,
        connect,
        duration,
        cpuMs,
      };
      counters.set(id, addReport(counters.get(id) ?? NO_COUNTS, `${pid} ${startedAt}`, totals));
      isChanged = true;
    },
    read: () => {
      if (isChanged) save();
      return new Map([...counters].map(([id, counterTotals]) => [id, totalsOf(counterTotals)]));
    },
  };
};

const read = (path: string): Readonly<Record<string, CounterTotals>> => {
  try {
    const file = JSON.parse(readText(path) ?? '{}') as {
      version?: number;
      ports?: Record<string, CounterTotals>;
    };
    return file.version === VERSION && file.ports ? file.ports : {};
  } catch {
    return {};
  }
};
