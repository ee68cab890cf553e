import type { ProxyReport } from '../proxy/report.ts';
import { readText, writeAtomic } from '../system/files.ts';
import { entered, type Ledger, NEW_LEDGER, type Totals, totalsOf } from './counter-totals.ts';

/** The counts of all ports, over the ends of their processes and of monitors. */
export interface Ledgers {
  enter(id: string, report: ProxyReport): void;
  /**
   * What may be shown. It is in the file by then: a monitor after this one, however this one ends, shows no less. On a
   * full disk it is shown without.
   */
  shown(): ReadonlyMap<string, Totals>;
}

/** Of the file's layout: another one is not read. */
const VERSION = 1;

/** @param path of what an earlier monitor has kept; no file, or one that is not ours, is nothing */
export const openLedgers = (path: string, ids: readonly string[]): Ledgers => {
  const kept = read(path);
  const ledgers = new Map(ids.map((id) => [id, kept[id] ?? NEW_LEDGER]));
  let isChanged = false;
  const keep = (): void => {
    try {
      writeAtomic(path, `${JSON.stringify({ version: VERSION, ports: Object.fromEntries(ledgers) })}\n`);
      isChanged = false;
    } catch {
      // Told by the file of the counters, which is on the same disk.
    }
  };
  return {
    enter: (id, { pid, startedAtMs, connections, cpuMs = 0 }) => {
      const { total, bytesToUpstream, bytesToClient, dialFailures, byReason, connect, duration } =
        connections;
      const totals = {
        total,
        bytesToUpstream,
        bytesToClient,
        dialFailures,
        byReason,
        connect,
        duration,
        cpuMs,
      };
      ledgers.set(id, entered(ledgers.get(id) ?? NEW_LEDGER, `${pid} ${startedAtMs}`, totals));
      isChanged = true;
    },
    shown: () => {
      if (isChanged) keep();
      return new Map([...ledgers].map(([id, ledger]) => [id, totalsOf(ledger)]));
    },
  };
};

const read = (path: string): Readonly<Record<string, Ledger>> => {
  try {
    const file = JSON.parse(readText(path) ?? '{}') as { version?: number; ports?: Record<string, Ledger> };
    return file.version === VERSION && file.ports ? file.ports : {};
  } catch {
    return {};
  }
};
