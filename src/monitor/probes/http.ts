import { request } from 'node:http';
import type { Probe } from '../../kinds/probes/registry.ts';
import { type Address, formatAddress, isUnixSocket } from '../../lib/address.ts';
import type { Exchange } from './exchange/exchange.ts';
import { createSearch, MAX_SEARCH_BYTES, quote } from './exchange/text-search.ts';
import { traceReceived } from './exchange/trace.ts';
import type { OpenProbe } from './probe-request.ts';

export const openHttpProbe: OpenProbe<'http'> = (probe, upstream) => ({
  nameAt: (where) => `GET ${probe.path} at ${where}:`,
  exchange: httpExchange(probe, upstream),
});

/**
 * Sends one GET, with `upstream` as its Host whether the probe goes through the proxy or directly. No FIN follows the
 * request: the MCP Inspector 1.x does not answer a client that half-closes (docs/decisions.md: ADR-0030).
 */
const httpExchange =
  (probe: Probe<'http'>, upstream: Address): Exchange =>
  (socket, settle) => {
    let missing: string | undefined;
    const httpRequest = request({
      createConnection: () => socket,
      path: probe.path,
      headers: {
        host: isUnixSocket(upstream) ? 'localhost' : formatAddress(upstream),
        'user-agent': 'steadyport-probe',
        connection: 'close',
      },
    });
    httpRequest.on('response', (response) => {
      traceReceived(socket, `HTTP/${response.httpVersion} ${response.statusCode} ${response.statusMessage}`);
      const problem = statusProblem(probe, response.statusCode ?? 0);
      // Where no body is expected the headers decide: a stream of events has no end.
      if (problem !== undefined || probe.body === undefined) return settle(problem);
      const notFound = `the body has no ${quote(probe.body)}`;
      missing = notFound;
      const bodySearch = createSearch(probe.body);
      response.on('data', (chunk: Buffer) => {
        if (bodySearch.isFoundIn(chunk)) settle();
        else if (bodySearch.hasReachedLimit()) settle(`${notFound} in its first ${MAX_SEARCH_BYTES} bytes`);
      });
      response.on('end', () => settle(notFound));
    });
    httpRequest.on('error', ({ code, message }: NodeJS.ErrnoException) =>
      settle(code === 'ECONNRESET' ? (missing ?? 'closed without an answer') : message),
    );
    httpRequest.end();
    return () => missing;
  };

const statusProblem = ({ status }: Probe<'http'>, actual: number): string | undefined => {
  const isExpected = status === undefined ? actual >= 200 && actual < 400 : actual === status;
  return isExpected ? undefined : `status ${actual}, expected ${status ?? '200 to 399'}`;
};
