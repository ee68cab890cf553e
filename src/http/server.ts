/**
 * The room http: serves the monitor's status and metrics to scripts, Prometheus and health checks.
 * server.ts has the pages, allowed-hosts.ts says who may read them, listen-with-retry.ts keeps them served, and
 * service-discovery.ts makes Prometheus' lists of targets.
 */

import { createServer, type Server, type ServerResponse } from 'node:http';
import { hostname } from 'node:os';
import type { ProxyConfig } from '../config/config.ts';
import { type Address, formatAddress } from '../lib/address.ts';
import { readinessProblem } from '../status/readiness.ts';
import type { Snapshot } from '../status/snapshot.ts';
import { selectProxies } from '../status/summary.ts';
import { localAddresses } from '../system/proc/network-interfaces.ts';
import { isAllowedHost } from './allowed-hosts.ts';
import { monitorTargets, portTargets } from './service-discovery.ts';

/** The sources of the pages. */
export interface Sources {
  status(): Snapshot;
  readonly proxies: readonly ProxyConfig[];
  /** `monitor.allowedHosts` of the config. */
  readonly allowedHosts: readonly string[];
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
}

/**
 * Serves the monitor's HTTP: /metrics, /api/v1/status, /healthz (the monitor runs), /readyz (it supervises, and no port is
 * down; `?port=` asks for one), and /api/v1/targets for Prometheus.
 * Rejects with the system's error when the address cannot be bound.
 */
export const serveHttp = ({ host, port }: Address, sources: Sources): Promise<Server> => {
  const pages = createPages(sources);
  const server = createServer((request, response) => {
    const { method, url = '/', headers } = request;
    const hostHeader = headers.host ?? formatAddress({ host, port });
    void answer(pages, { method, url, hostHeader }, sources.allowedHosts)
      .catch((error: Error) => json(500, { error: error.message }))
      .then((page) => send(response, page));
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () =>
      resolve(server.off('error', reject).on('error', () => {})),
    );
  });
};

interface Page {
  /** Default: 200. */
  readonly statusCode?: number;
  readonly type: string;
  readonly body: string;
}

/** What a page gets of a request. */
interface PageRequest {
  readonly hostHeader: string;
  readonly query: URLSearchParams;
}

/** The pages that programs read by any name: scrapers and orchestrators know this machine by many, and browsers gain nothing. */
const PAGES_FOR_ANY_HOST = ['/metrics', '/healthz', '/readyz'];

/** The pages by their path. */
type Pages = Readonly<Record<string, (request: PageRequest) => Promise<Page>>>;

const createPages = ({ status, proxies, metrics }: Sources): Pages => ({
  '/metrics': async () => ({ type: metrics.contentType, body: await metrics.render() }),
  '/api/v1/status': async () => json(200, status()),
  '/api/v1/targets/monitor': async ({ hostHeader }) => json(200, monitorTargets(hostHeader, hostname())),
  '/api/v1/targets/ports': async () => json(200, portTargets(proxies, localAddresses())),
  '/healthz': async () => json(200, { ok: true }),
  '/readyz': async ({ query }) => readinessPage(status(), query.get('port')),
});

/** @param port the only proxy to be ready, by port, name or label; null: all are to be */
const readinessPage = (snapshot: Snapshot, port: string | null): Page => {
  const selected = port === null ? snapshot : selectProxies(snapshot, port);
  if (!selected)
    return json(404, {
      error: `no such port; there is: ${snapshot.proxies.map(({ id }) => id).join(', ')}`,
    });
  const problem = readinessProblem(selected);
  return problem === null ? json(200, { ok: true }) : json(503, { ok: false, problem });
};

const answer = async (
  pages: Pages,
  { method, url, hostHeader }: { method: string | undefined; url: string; hostHeader: string },
  allowedHosts: readonly string[],
): Promise<Page> => {
  const [path = '', query] = url.split('?', 2);
  if (!PAGES_FOR_ANY_HOST.includes(path) && !isAllowedHost(hostHeader, [hostname(), ...allowedHosts]))
    return json(421, { error: `${JSON.stringify(hostHeader)} is not a name of this monitor; ${ALLOW_HINT}` });
  const page = pages[path];
  if (!page) return json(404, { error: `no such page; there is: ${Object.keys(pages).join(', ')}` });
  if (method !== 'GET' && method !== 'HEAD') return json(405, { error: 'GET or HEAD only' });
  return page({ hostHeader, query: new URLSearchParams(query) });
};

const ALLOW_HINT = 'use an IP address, or add the name to monitor.allowedHosts in steadyport.json';

const send = (response: ServerResponse, { statusCode = 200, type, body }: Page): void => {
  response.writeHead(statusCode, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
};

const json = (statusCode: number, value: unknown): Page => ({
  statusCode,
  type: 'application/json; charset=utf-8',
  body: `${JSON.stringify(value)}\n`,
});
