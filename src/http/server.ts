/**
 * The room http: serves the monitor's status and metrics to scripts, Prometheus and health checks.
 * pages.ts has the pages, server.ts serves them, allowed-hosts.ts says under which names, listen-with-retry.ts keeps them
 * served, client-limit.ts bounds their number, and service-discovery.ts makes Prometheus' lists of targets.
 */

import { createServer, type Server, type ServerResponse } from 'node:http';
import { hostname } from 'node:os';
import { type Address, formatAddress } from '../lib/address.ts';
import { isAllowedHost } from './allowed-hosts.ts';
import { limitClients } from './client-limit.ts';
import { createPages, json, type Page, type PageRequest, type Pages, type Sources } from './pages.ts';

/** Serves the monitor's HTTP. Rejects with the system's error when the address cannot be bound. */
export const serveHttp = ({ host, port }: Address, sources: Sources): Promise<Server> => {
  const pages = createPages(sources);
  const server = createServer(TIME_LIMITS, (request, response) => {
    const { method, url = '/', headers } = request;
    const { accept = '', host: hostHeader = formatAddress({ host, port }) } = headers;
    const [path = '', queryText] = url.split('?', 2);
    const pageRequest = { hostHeader, accept, query: new URLSearchParams(queryText) };
    void answer(pages, method, path, pageRequest, sources.allowedHosts)
      .catch((error: Error) => json(500, { error: error.message }))
      .then((page) => send(response, page));
  });
  limitClients(server, sources.isShortOfFiles ?? (() => false));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () =>
      resolve(server.off('error', reject).on('error', () => {})),
    );
  });
};

/** In milliseconds: for the head of a request, for all of it, and between two looks at what is over time. */
const TIME_LIMITS = { headersTimeout: 10_000, requestTimeout: 20_000, connectionsCheckingInterval: 5_000 };

/** Programs read these by any name: scrapers and orchestrators know this machine by many, and a web page gains nothing. */
const PAGES_FOR_ANY_HOST = ['/metrics', '/healthz', '/readyz'];

const answer = async (
  pages: Pages,
  method: string | undefined,
  path: string,
  request: PageRequest,
  allowedHosts: readonly string[],
): Promise<Page> => {
  const isAllowed = isAllowedHost(request.hostHeader, [hostname(), ...allowedHosts]);
  if (!isAllowed && !PAGES_FOR_ANY_HOST.includes(path))
    return json(421, {
      error: `${JSON.stringify(request.hostHeader)} is not a name of this monitor; use an IP address, or add the name to monitor.allowedHosts in steadyport.json`,
    });
  const page = pages[path];
  if (!page) return json(404, { error: `no such page; there is: ${Object.keys(pages).join(', ')}` });
  if (method !== 'GET' && method !== 'HEAD') return json(405, { error: 'GET or HEAD only' });
  return page.answer(request);
};

const send = (response: ServerResponse, { statusCode = 200, type, body }: Page): void => {
  response.writeHead(statusCode, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
};
