import { createServer, type Server } from 'node:http';
import { hostname } from 'node:os';
import type { ProxyConfig } from '../config/config.ts';
import { type Address, formatAddress } from '../lib/address.ts';
import type { Snapshot } from '../status/snapshot.ts';
import { exitCodeOf } from '../status/summary.ts';
import { localAddresses } from '../system/proc/network-interfaces.ts';
import { monitorTargets, portTargets } from './service-discovery.ts';

/** What the pages are made of. */
export interface Sources {
  status(): Snapshot;
  readonly proxies: readonly ProxyConfig[];
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
}

/**
 * The monitor's HTTP: /metrics, /api/v1/status, /healthz (the monitor lives), /readyz (every port is up),
 * and /api/v1/targets for Prometheus.
 * Rejects with the system's error when the address cannot be had.
 */
export const serveHttp = (
  { host, port }: Address,
  { status, proxies, metrics }: Sources,
): Promise<Server> => {
  const pages: Readonly<Record<string, (hostHeader: string) => Promise<Page>>> = {
    '/metrics': async () => ({ type: metrics.contentType, body: await metrics.render() }),
    '/api/v1/status': async () => json(200, status()),
    '/api/v1/targets/monitor': async (hostHeader) => json(200, monitorTargets(hostHeader, hostname())),
    '/api/v1/targets/ports': async () => json(200, portTargets(proxies, localAddresses())),
    '/healthz': async () => json(200, { ok: true }),
    '/readyz': async () => {
      const isReady = exitCodeOf(status()) === 0;
      return json(isReady ? 200 : 503, { ok: isReady });
    },
  };
  const server = createServer((request, response) => {
    const page = pages[(request.url ?? '/').replace(/\?.*$/, '')];
    const isAllowed = request.method === 'GET' || request.method === 'HEAD';
    const answer = !page
      ? Promise.resolve(json(404, { error: `no such page; there is: ${Object.keys(pages).join(', ')}` }))
      : isAllowed
        ? page(request.headers.host ?? formatAddress({ host, port }))
        : Promise.resolve(json(405, { error: 'GET or HEAD only' }));
    void answer
      .catch((error: Error) => json(500, { error: error.message }))
      .then(({ statusCode = 200, type, body }) => {
        response.writeHead(statusCode, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
      });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () =>
      resolve(server.off('error', reject).on('error', () => {})),
    );
  });
};

interface Page {
  readonly statusCode?: number;
  readonly type: string;
  readonly body: string;
}

const json = (statusCode: number, value: unknown): Page => ({
  statusCode,
  type: 'application/json; charset=utf-8',
  body: `${JSON.stringify(value)}\n`,
});
