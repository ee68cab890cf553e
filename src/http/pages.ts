import { hostname } from 'node:os';
import type { ProxyConfig } from '../config/config.ts';
import { readinessProblem } from '../status/readiness.ts';
import type { Snapshot } from '../status/snapshot.ts';
import { selectProxies } from '../status/summary.ts';
import { localAddresses } from '../system/proc/network-interfaces.ts';
import { makeIndexPage } from './index-page.ts';
import { monitorTargets, portTargets } from './service-discovery.ts';

/** The sources of the pages. */
export interface Sources {
  status(): Snapshot;
  readonly proxies: readonly ProxyConfig[];
  /** `monitor.allowedHosts` of the config. */
  readonly allowedHosts: readonly string[];
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
  /** True while this process is at its limit of open files: few clients are served. Default: never. */
  isShortOfFiles?(): boolean;
}

/** An answer. */
export interface Page {
  /** Default: 200. */
  readonly statusCode?: number;
  readonly type: string;
  readonly body: string;
}

/** What a page gets of a request. */
export interface PageRequest {
  /** The host that the client asked for. */
  readonly hostHeader: string;
  /** The Accept header; empty when there is none. */
  readonly accept: string;
  readonly query: URLSearchParams;
}

/** The pages by their path. `about` is for the list of them. */
export type Pages = Readonly<
  Record<string, { readonly about: string; readonly answer: (request: PageRequest) => Promise<Page> }>
>;

/**
 * Makes / (the list of the others), /api/v1/status, /metrics, /healthz (the monitor runs), /readyz (it supervises, and no port
 * is down), and /api/v1/targets for Prometheus.
 */
export const createPages = ({ status, proxies, metrics }: Sources): Pages => {
  const pages: Pages = {
    '/api/v1/status': {
      about: 'the status of all ports, as JSON',
      answer: async () => json(200, status()),
    },
    '/metrics': {
      about: 'the metrics, for Prometheus',
      answer: async () => ({ type: metrics.contentType, body: await metrics.render() }),
    },
    '/healthz': {
      about: 'whether the monitor lives, for the health check of a container',
      answer: async () => json(200, { ok: true }),
    },
    '/readyz': {
      about: 'whether the ports are supervised and none is down; with ?port=6274 for one port',
      answer: async ({ query }) => readinessPage(status(), query.get('port')),
    },
    '/api/v1/targets/monitor': {
      about: 'the monitor, for the service discovery of Prometheus',
      answer: async ({ hostHeader }) => json(200, monitorTargets(hostHeader, hostname())),
    },
    '/api/v1/targets/ports': {
      about: 'the ports, for the service discovery of Prometheus',
      answer: async () => json(200, portTargets(proxies, localAddresses())),
    },
  };
  const entries = Object.entries(pages).map(([path, { about }]) => ({ path, about }));
  return {
    '/': { about: 'this list', answer: async ({ accept }) => makeIndexPage(accept, entries) },
    ...pages,
  };
};

export const json = (statusCode: number, value: unknown): Page => ({
  statusCode,
  type: 'application/json; charset=utf-8',
  body: `${JSON.stringify(value)}\n`,
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
