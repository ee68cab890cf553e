import { type Address, formatAddress } from '../lib/address.ts';
import { createEdgeLogger } from '../logging/edge-logger.ts';
import { findPortOwner, formatPortOwner } from '../system/proc/port-owner.ts';
import type { Sources } from './pages.ts';
import { serveHttp } from './server.ts';

/** The pause between two attempts: the address may be taken by a monitor that is shutting down, or by a stranger. */
const RETRY_MS = 2_000;
/** After WARM_UP_COUNT scrapes, one a second, V8 has compiled their code (docs/decisions.md: ADR-0035). */
const WARM_UP_COUNT = 12;
const WARM_UP_INTERVAL_MS = 1_000;

/** The monitor's HTTP, as it is at the moment. */
export interface HttpStatus {
  /** The address that is bound; null until one is. */
  readonly url: string | null;
  /** Why the address could not be bound at the last attempt, with who holds it; null when it is bound. */
  readonly problem: string | null;
}

/**
 * Serves the monitor's HTTP until the process ends. While the address cannot be bound it tries again every RETRY_MS.
 * @returns after the first attempt; the result changes with the later ones
 */
export const serveWithRetry = async (
  address: Address,
  sources: Sources,
  log: (event: string, text: string) => void,
): Promise<HttpStatus> => {
  const server: { url: string | null; problem: string | null } = { url: null, problem: null };
  const listening = createEdgeLogger({
    onFail: (problem) => log('http_listen_failed', `No page: ${problem}; trying again`),
    onRecover: () => log('http_listening', `The page is at ${server.url}`),
  });
  const serve = (): Promise<void> =>
    serveHttp(address, sources).then(
      () => {
        server.url = `http://${formatAddress(address)}`;
        server.problem = null;
        listening.succeeded();
      },
      (error: Error) => {
        server.problem = describeProblem(address, error);
        listening.failed(server.problem);
        setTimeout(() => void serve(), RETRY_MS).unref();
      },
    );
  await serve();
  warmUp(sources.metrics.render, WARM_UP_COUNT);
  return server;
};

/** "127.0.0.1:6270 is in use by pid 77 (node server.js)" */
const describeProblem = (address: Address, error: NodeJS.ErrnoException): string => {
  if (error.code !== 'EADDRINUSE') return error.message;
  const owner = findPortOwner(address);
  return `${formatAddress(address)} is in use${owner ? ` by ${formatPortOwner(owner)}` : ''}`;
};

/** Renders scrapes for no client, one after the other. */
const warmUp = (render: () => Promise<unknown>, remaining: number): void => {
  if (remaining === 0) return;
  const next = (): void => warmUp(render, remaining - 1);
  setTimeout(() => void render().then(next, next), WARM_UP_INTERVAL_MS).unref();
};
