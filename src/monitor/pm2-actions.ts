import type { ProxyStatus, Snapshot } from '../status/snapshot.ts';
import { headline } from '../status/summary.ts';

/** What the orders of `pm2 trigger` do. */
export interface Orders {
  status(): Snapshot;
  lookNow(): void;
  /** Rejects with why it could not be done. */
  restart(id: string): Promise<void>;
  /** No alerts for so long; 0: as usual again. Null: there are none. */
  readonly silence: ((minutes: number) => void) | null;
}

/** PM2's command line waits for the answer: a restart that takes longer is answered before it is done. */
const LONGEST_RESTART_MS = 4_000;
const LONGEST_LOOK_MS = 2_000;
const MOST_MINUTES = 1_440;

/** By its name, what an order does with what comes after the name; each gives a short text, and never rejects. */
export const createOrders = (
  orders: Orders,
): Readonly<Record<string, (given: string) => Promise<string> | string>> => ({
  status: () => headline(orders.status()),

  'check-now': async () => {
    const askedMs = Date.now();
    orders.lookNow();
    // The last one of all looks; a wait that is over says what is known by then.
    const isLooked = () => (orders.status().monitor?.lastCheckAt ?? 0) >= askedMs;
    for (let waitedMs = 0; !isLooked() && waitedMs < LONGEST_LOOK_MS; waitedMs += 50) await sleep(50);
    return headline(orders.status());
  },

  restart: async (given) => {
    const { proxies } = orders.status();
    const proxy = proxies.find(({ id, name }) => given === id || given === name);
    if (!proxy) return `restart needs a port: ${proxies.map(({ id }) => id).join(', ')}; got ${say(given)}`;
    const done = orders.restart(proxy.id).then(
      () => `${proxy.id} was restarted`,
      (error: Error) => `${proxy.id} was not restarted: ${error.message}`,
    );
    const late = sleep(LONGEST_RESTART_MS).then(() => `${proxy.id} is being restarted`);
    return Promise.race([done, late]);
  },

  silence: (given) => {
    const minutes = Number(given);
    if (!/^\d{1,4}$/.test(given) || minutes > MOST_MINUTES)
      return `silence needs whole minutes, 0 to ${MOST_MINUTES}; got ${say(given)}`;
    if (!orders.silence) return 'no alerts are set up';
    orders.silence(minutes);
    return minutes === 0 ? 'alerts as usual' : `no alerts for ${minutes} min`;
  },
});

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms).unref());

const say = (given: string): string => (given === '' ? 'nothing' : JSON.stringify(given.slice(0, 40)));

/** What PM2 shows of a port, one for each meaning. */
export const figuresOf = (proxy: ProxyStatus): Readonly<Record<string, string | number | null>> => ({
  [`${proxy.id} state`]: proxy.cause ? `${proxy.state} (${proxy.cause})` : proxy.state,
  [`${proxy.id} connections`]: proxy.connections.active,
  [`${proxy.id} failures`]: proxy.failures.total,
  [`${proxy.id} probe ms`]: proxy.checkMs,
});
