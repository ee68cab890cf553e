import type { ProxyStatus, Snapshot } from '../status/snapshot.ts';
import { headlineOf } from '../status/summary.ts';

/** What the orders of `pm2 trigger` do. */
export interface Actions {
  status(): Snapshot;
  checkNow(): void;
  /** Rejects with why it could not be done. */
  restart(id: string): Promise<void>;
  /** No alerts for so long; 0: as usual again. Null: there are none. */
  readonly silence: ((minutes: number) => void) | null;
}

/** PM2's command line waits for the answer: a restart that takes longer is answered before it is done. */
const MAX_RESTART_WAIT_MS = 4_000;
const MAX_CHECK_WAIT_MS = 2_000;
const MAX_SILENCE_MINUTES = 1_440;

/** By its name, what an order does with what comes after the name; each gives a short text, and never rejects. */
export const createActions = (
  actions: Actions,
): Readonly<Record<string, (argument: string) => Promise<string> | string>> => ({
  status: () => headlineOf(actions.status()),

  'check-now': async () => {
    const requestedAt = Date.now();
    actions.checkNow();
    // The last one of all looks; a wait that is over says what is known by then.
    const isChecked = () => (actions.status().monitor?.lastCheckAt ?? 0) >= requestedAt;
    for (let waitedMs = 0; !isChecked() && waitedMs < MAX_CHECK_WAIT_MS; waitedMs += 50) await sleep(50);
    return headlineOf(actions.status());
  },

  restart: async (argument) => {
    const { proxies } = actions.status();
    const proxy = proxies.find(({ id, name }) => argument === id || argument === name);
    if (!proxy)
      return `restart needs a port: ${proxies.map(({ id }) => id).join(', ')}; got ${quote(argument)}`;
    const restarting = actions.restart(proxy.id).then(
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
    if (!actions.silence) return 'no alerts are set up';
    actions.silence(minutes);
    return minutes === 0 ? 'alerts as usual' : `no alerts for ${minutes} min`;
  },
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());

const quote = (argument: string): string =>
  argument === '' ? 'nothing' : JSON.stringify(argument.slice(0, 40));

/** What PM2 shows of a port, one for each meaning. */
export const metricsOf = (proxy: ProxyStatus): Readonly<Record<string, string | number | null>> => ({
  [`${proxy.id} state`]: proxy.cause ? `${proxy.state} (${proxy.cause})` : proxy.state,
  [`${proxy.id} connections`]: proxy.connections.active,
  [`${proxy.id} failures`]: proxy.failures.total,
  [`${proxy.id} probe ms`]: proxy.checkMs,
});
