import { type Address, formatAddress } from '../lib/address.ts';
import { type Sources, serveHttp } from './server.ts';

/** An address that is taken, by a monitor that is still leaving or by a stranger, may be free again. */
const RETRY_MS = 2_000;
/** After so many scrapes, one a second, V8 has compiled what they run (docs/decisions.md: the first scrape). */
const WARM_UP_COUNT = 12;
const WARM_UP_INTERVAL_MS = 1_000;

/**
 * Serves the monitor's HTTP, as soon as its address can be had, until the process ends.
 * @returns once it was tried; the result's `url` is null until it is served
 */
export const serveWithRetry = async (
  address: Address,
  sources: Sources,
  log: (event: string, text: string) => void,
): Promise<{ readonly url: string | null }> => {
  const server: { url: string | null } = { url: null };
  const serve = (isFirst: boolean): Promise<void> =>
    serveHttp(address, sources).then(
      () => {
        server.url = `http://${formatAddress(address)}`;
        if (!isFirst) log('http_listening', `The page is at ${server.url}`);
      },
      (error: Error) => {
        if (isFirst) log('http_listen_failed', `No page: ${error.message}; trying again`);
        setTimeout(() => void serve(false), RETRY_MS).unref();
      },
    );
  await serve(true);
  warmUp(sources.metrics.render, WARM_UP_COUNT);
  return server;
};

/** Renders what nobody reads. */
const warmUp = (render: () => Promise<unknown>, remaining: number): void => {
  if (remaining === 0) return;
  const next = (): void => warmUp(render, remaining - 1);
  setTimeout(() => void render().then(next, next), WARM_UP_INTERVAL_MS).unref();
};
