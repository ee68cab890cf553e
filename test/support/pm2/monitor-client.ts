import assert from 'node:assert/strict';
import { join } from 'node:path';
import { connectControl } from '../../../src/ipc/client.ts';
import type { MonitorProtocol } from '../../../src/ipc/protocol.ts';
import type { ProxyStatus, Snapshot } from '../../../src/status/snapshot.ts';
import { until } from '../until.ts';

/** Long enough for a busy machine. A monitor that is not there refuses at once. */
const ANSWER_TIMEOUT_MS = 20_000;
/** An answer takes a millisecond or two of the monitor's time. */
const POLL_MS = 50;

/** Asks a real monitor for its status over its control socket, without starting a program. */
export interface MonitorClient {
  /** @returns undefined when no monitor answers */
  ask(): Promise<Snapshot | undefined>;
  /** Waits until the monitor's status meets the condition. */
  snapshotUntil(condition: (snapshot: Snapshot) => boolean): Promise<Snapshot>;
  /** Waits until the status of a proxy meets the condition. @param id its port or its socket's name */
  proxyUntil(id: number | string, condition: (proxy: ProxyStatus) => boolean): Promise<ProxyStatus>;
  /** Waits for `count` more checks of the monitor. */
  checks(count: number): Promise<void>;
}

/** @param stateDir the monitor's STEADYPORT_HOME */
export const createMonitorClient = (stateDir: string): MonitorClient => {
  const ask = async (): Promise<Snapshot | undefined> => {
    try {
      const client = await connectControl<MonitorProtocol>(join(stateDir, 'monitor.sock'), ANSWER_TIMEOUT_MS);
      return await client.ask('status', null, ANSWER_TIMEOUT_MS).finally(client.close);
    } catch {
      return undefined;
    }
  };
  const snapshotUntil: MonitorClient['snapshotUntil'] = async (condition) => {
    let last: Snapshot | undefined;
    const meetsCondition = async (): Promise<Snapshot | undefined> => {
      last = (await ask()) ?? last;
      return last && condition(last) ? last : undefined;
    };
    return until(meetsCondition, String(condition), undefined, POLL_MS).catch((error: Error) => {
      throw new Error(`${error.message}; the last status: ${JSON.stringify(last)}`, { cause: error });
    });
  };
  return {
    ask,
    snapshotUntil,
    proxyUntil: async (id, condition) => {
      let found: ProxyStatus | undefined;
      await snapshotUntil(({ proxies }) => {
        found = proxies.find((proxy) => proxy.id === String(id));
        return found !== undefined && condition(found);
      }).catch((error: Error) => {
        throw new Error(`${id} never met ${condition}: ${error.message}`, { cause: error });
      });
      return found ?? assert.fail();
    },
    checks: async (count) => {
      const checkedAt = new Set<number>();
      await snapshotUntil(({ monitor }) => {
        if (monitor) checkedAt.add(monitor.lastCheckAt);
        return checkedAt.size > count;
      });
    },
  };
};
