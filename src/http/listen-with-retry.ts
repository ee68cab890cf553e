import { type Address, formatAddress } from '../lib/address.ts';
import { createEdgeLogger } from '../lib/edge-logger.ts';
import type { Sources } from './pages.ts';
import { serveHttp } from './server.ts';

/** The pause between two attempts: the address may be taken by a monitor that is shutting down, or by a stranger. */
const RETRY_MS = 2_000;
/** After WARM_UP_COUNT scrapes, one a second, V8 has compiled their code (docs/decisions.md: ADR-0035). */
const WARM_UP_COUNT = 12;
const WARM_UP_INTERVAL_MS = 1_000;

/**
 * Serves the monitor's HTTP until the process ends. While the address cannot be bound it tries again every RETRY_MS.
 * @returns after the first attempt; the result's `url` is null until the address is bound
 */
export const serveWithRetry = async (
  address: Address,
  sources: Sources,
  log: (event: string, text: string) => void,
): Promise<{ readonly url: string | null }> => {
  const server: { url: string | null } = { url: null };
  const listening = createEdgeLogger({
    onFail: (problem) => log('http_listen_failed', `No page: ${problem}; trying again`),
    onRecover: () => log('http_listening', `The page is at ${server.url}`),
  });
  const serve = (): Promise<void> =>
    serveHttp(address, sources).then(
      () => {
        server.url = `http://${formatAddress(address)}`;
        listening.succeeded();
      },
      (error: Error) => {
        listening.failed(error.message);
        setTimeout(() => void serve(), RETRY_MS).unref();
      },
    );
  await serve();
  warmUp(sources.metrics.render, WARM_UP_COUNT);
  return server;
};

/** Renders scrapes for no client, one after the other. */
const warmUp = (render: () => Promise<unknown>, remaining: number): void => {
  if (remaining === 0) return;
  const next = (): void => warmUp(render, remaining - 1);
  setTimeout(() => void render().then(next, next), WARM_UP_INTERVAL_MS).unref();
};
