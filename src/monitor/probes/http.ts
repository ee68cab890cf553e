import { request } from 'node:http';
import type { Probe } from '../../config/schema.ts';
import { type Address, formatAddress, isUnixSocket } from '../../lib/address.ts';
import { type Exchange, type ProbeResult, runExchange } from './exchange.ts';

type HttpProbe = Extract<Probe, { type: 'http' }>;
type ExpectProbe = Extract<Probe, { type: 'expect' }>;

/** A probe that asks the application itself: it can go through the proxy, or directly to the upstream. */
export const isApplicationProbe = (probe: Probe): probe is HttpProbe | ExpectProbe =>
  probe.type === 'http' || probe.type === 'expect';

/**
 * @param address where to ask: an address of the upstream, or one of the proxy in front of it
 * @param localPort where to connect from; default: any
 */
export const probeApplication = (
  address: Address,
  upstream: Address,
  probe: HttpProbe | ExpectProbe,
  timeoutMs: number,
  localPort?: number,
): Promise<ProbeResult> => {
  const where = formatAddress(address);
  const tls = probe.tls && { upstream, verify: probe.tls === 'verify' };
  return probe.type === 'http'
    ? runExchange(
        { address, timeoutMs, localPort, tls, name: `GET ${probe.path} at ${where}:` },
        httpExchange(probe, upstream),
      )
    : runExchange({ address, timeoutMs, localPort, tls, name: `${where}:` }, expectExchange(probe));
};

/**
 * One GET, with `upstream` as its Host whichever way it goes. The request is not followed by a FIN: the
 * MCP Inspector 1.x answers nothing to a client that half-closes (docs/decisions.md: the MCP Inspector).
 */
const httpExchange =
  (probe: HttpProbe, upstream: Address): Exchange =>
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
      const problem = statusProblem(probe, response.statusCode ?? 0);
      // Without a body to look for the headers decide: a stream of events has no end.
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

const statusProblem = ({ status }: HttpProbe, actual: number): string | undefined => {
  const isExpected = status === undefined ? actual >= 200 && actual < 400 : actual === status;
  return isExpected ? undefined : `status ${actual}, expected ${status ?? '200 to 399'}`;
};

/** Sends the one text, or nothing, and waits for the other. As above, nothing is half-closed. */
const expectExchange =
  (probe: ExpectProbe): Exchange =>
  (socket, settle) => {
    const answerSearch = createSearch(probe.expect);
    const describeMissing = (): string | undefined => {
      const head = answerSearch.head();
      return head === '' ? undefined : `the answer ${quote(head)} has no ${quote(probe.expect)}`;
    };
    socket.on('data', (chunk: Buffer) => {
      if (answerSearch.isFoundIn(chunk)) settle();
      else if (answerSearch.hasReachedLimit())
        settle(`${describeMissing()} in its first ${MAX_SEARCH_BYTES} bytes`);
    });
    if (probe.send !== '') socket.write(probe.send);
    return describeMissing;
  };

/** A text is looked for in so much of an answer. */
const MAX_SEARCH_BYTES = 1_000_000;
/** So much of a text is told. */
const MAX_QUOTED_CHARACTERS = 60;

/** Looks for a text, by its bytes in UTF-8, in what arrives piece by piece. */
const createSearch = (text: string) => {
  const needle = Buffer.from(text);
  let head = Buffer.alloc(0);
  let tail = Buffer.alloc(0);
  let receivedBytes = 0;
  return {
    /** True when `text` is in what has arrived by now. */
    isFoundIn: (chunk: Buffer): boolean => {
      const searchedChunk = chunk.subarray(0, MAX_SEARCH_BYTES - receivedBytes);
      receivedBytes += searchedChunk.length;
      // A character has at most 4 bytes, and one more tells that this is not all.
      const missingBytes = 4 * (MAX_QUOTED_CHARACTERS + 1) - head.length;
      if (missingBytes > 0) head = Buffer.concat([head, searchedChunk.subarray(0, missingBytes)]);
      const searchWindow = Buffer.concat([tail, searchedChunk]);
      tail = searchWindow.subarray(Math.max(0, searchWindow.length - needle.length + 1));
      return searchWindow.includes(needle);
    },
    hasReachedLimit: (): boolean => receivedBytes >= MAX_SEARCH_BYTES,
    head: (): string => head.toString(),
  };
};

/** The beginning of a text from elsewhere, such that it cannot steer a terminal or turn a line around. */
const quote = (text: string): string => {
  const characters = Array.from(text);
  const quoted = JSON.stringify(characters.slice(0, MAX_QUOTED_CHARACTERS).join(''));
  const safe = quoted.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) =>
    character.replace(/./gs, (codeUnit) => `\\u${codeUnit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  );
  return characters.length > MAX_QUOTED_CHARACTERS ? `${safe}…` : safe;
};
