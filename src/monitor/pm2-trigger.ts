import { printable } from '../lib/printable.ts';
import type { ProxyStatus, Snapshot } from '../status/snapshot.ts';
import { causeWordOf, headlineOf } from '../status/summary.ts';

/** The functions of the monitor that the commands of `pm2 trigger` call. */
export interface MonitorControls {
  status(): Snapshot;
  checkNow(): void;
  /** Restarts a proxy by its id. Rejects with the reason why it could not be done. */
  restart(id: string): Promise<void>;
  /** Silences the alerts for `minutes`; 0 ends the silence. Null: no alerts are set up. */
  readonly silence: ((minutes: number) => void) | null;
}

/** PM2's command line waits for the answer, so a restart that takes longer is answered before it is done. */
const MAX_RESTART_WAIT_MS = 4_000;
const MAX_CHECK_WAIT_MS = 2_000;
const MAX_SILENCE_MINUTES = 1_440;

/**
 * Creates the commands of `pm2 trigger`, by name. Each takes the text after its name, answers with a short text, and never
 * rejects.
 */
export const createTriggerCommands = (
  controls: MonitorControls,
): Readonly<Record<string, (argument: string) => Promise<string> | string>> => ({
  status: () => headlineOf(controls.status()),

  'check-now': async () => {
    const requestedAt = Date.now();
    controls.checkNow();
    // lastCheckAt is that of the proxy that was checked the longest ago. After MAX_CHECK_WAIT_MS the answer is the
    // status at that moment.
    const isChecked = () => (controls.status().monitor?.lastCheckAt ?? 0) >= requestedAt;
    for (let waitedMs = 0; !isChecked() && waitedMs < MAX_CHECK_WAIT_MS; waitedMs += 50) await sleep(50);
    return headlineOf(controls.status());
  },

  restart: async (argument) => {
    const { proxies } = controls.status();
    const proxy = proxies.find(({ id, name }) => argument === id || argument === name);
    if (!proxy)
      return `restart needs a port: ${proxies.map(({ id }) => id).join(', ')}; got ${quote(argument)}`;
    const restarting = controls.restart(proxy.id).then(
      () => `${proxy.id} was restarted`,
      (error: Error) => `${proxy.id} was not restarted: ${error.message}`,
    );
    const timeout = sleep(MAX_RESTART_WAIT_MS).then(() => `${proxy.id} is being restarted`);
    return Promise.race([restarting, timeout]);
  },

  silence: (argument) => {
    const minutes = Number(argument);
    if (!/^\d{1,4}$/.test(argument) || minutes > MAX_SILENCE_MINUTES)
      return `silence needs whole minutes, 0 to ${MAX_SILENCE_MINUTES}; got ${quote(argument)}`;
    if (!controls.silence) return 'no alerts are set up';
    controls.silence(minutes);
    return minutes === 0 ? 'alerts as usual' : `no alerts for ${minutes} min`;
  },
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());

const quote = (argument: string): string =>
  argument === '' ? 'nothing' : printable(JSON.stringify(argument.slice(0, 40)));

/** The metrics of a port that PM2 shows. */
export const metricsOf = (proxy: ProxyStatus): Readonly<Record<string, string | number | null>> => {
  const cause = causeWordOf(proxy);
  return {
    [`${proxy.id} state`]: cause ? `${proxy.state} (${cause})` : proxy.state,
    [`${proxy.id} connections`]: proxy.connections.active,
    [`${proxy.id} failures`]: proxy.failures.total,
    [`${proxy.id} probe ms`]: proxy.checkMs,
  };
};
