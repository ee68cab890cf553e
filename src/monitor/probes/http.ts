import { request } from 'node:http';
import type { Probe } from '../../config/schema.ts';
import { type Address, formatAddress, isUnix } from '../../lib/address.ts';
import { converse, type ProbeResult, type Talk } from './exchange.ts';

type HttpProbe = Extract<Probe, { type: 'http' }>;
type ExpectProbe = Extract<Probe, { type: 'expect' }>;

/** A probe that asks the application itself: it can go through the proxy, or directly to the upstream. */
export const asksApplication = (probe: Probe): probe is HttpProbe | ExpectProbe =>
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
    ? converse(
        { address, timeoutMs, localPort, tls, name: `GET ${probe.path} at ${where}:` },
        get(probe, upstream),
      )
    : converse({ address, timeoutMs, localPort, tls, name: `${where}:` }, sendAndExpect(probe));
};

/**
 * One GET, with `upstream` as its Host whichever way it goes. The request is not followed by a FIN: the
 * MCP Inspector 1.x answers nothing to a client that half-closes (docs/decisions.md: the MCP Inspector).
 */
const get =
  (probe: HttpProbe, upstream: Address): Talk =>
  (socket, settle) => {
    let lacking: string | undefined;
    const call = request({
      createConnection: () => socket,
      path: probe.path,
      headers: {
        host: isUnix(upstream) ? 'localhost' : formatAddress(upstream),
        'user-agent': 'steadyport-probe',
        connection: 'close',
      },
    });
    call.on('response', (response) => {
      const wrong = wrongStatus(probe, response.statusCode ?? 0);
      // Without a body to look for the headers decide: a stream of events has no end.
      if (wrong !== undefined || probe.body === undefined) return settle(wrong);
      const none = `the body has no ${quote(probe.body)}`;
      lacking = none;
      const body = createSearch(probe.body);
      response.on('data', (chunk: Buffer) => {
        if (body.isIn(chunk)) settle();
        else if (body.isOver()) settle(`${none} in its first ${MOST_BYTES} bytes`);
      });
      response.on('end', () => settle(none));
    });
    call.on('error', ({ code, message }: NodeJS.ErrnoException) =>
      settle(code === 'ECONNRESET' ? (lacking ?? 'closed without an answer') : message),
    );
    call.end();
    return () => lacking;
  };

const wrongStatus = ({ status }: HttpProbe, found: number): string | undefined => {
  const fits = status === undefined ? found >= 200 && found < 400 : found === status;
  return fits ? undefined : `status ${found}, expected ${status ?? '200 to 399'}`;
};

/** Sends the one text, or nothing, and waits for the other. As above, nothing is half-closed. */
const sendAndExpect =
  (probe: ExpectProbe): Talk =>
  (socket, settle) => {
    const answer = createSearch(probe.expect);
    const lacking = (): string | undefined => {
      const start = answer.start();
      return start === '' ? undefined : `the answer ${quote(start)} has no ${quote(probe.expect)}`;
    };
    socket.on('data', (chunk: Buffer) => {
      if (answer.isIn(chunk)) settle();
      else if (answer.isOver()) settle(`${lacking()} in its first ${MOST_BYTES} bytes`);
    });
    if (probe.send !== '') socket.write(probe.send);
    return lacking;
  };

/** A text is looked for in so much of an answer. */
const MOST_BYTES = 1_000_000;
/** So much of a text is told. */
const TOLD_CHARACTERS = 60;

/** Looks for a text, by its bytes in UTF-8, in what arrives piece by piece. */
const createSearch = (text: string) => {
  const wanted = Buffer.from(text);
  let start = Buffer.alloc(0);
  let end = Buffer.alloc(0);
  let length = 0;
  return {
    /** True when `text` is in what has arrived by now. */
    isIn: (chunk: Buffer): boolean => {
      const piece = chunk.subarray(0, MOST_BYTES - length);
      length += piece.length;
      // A character has at most 4 bytes, and one more tells that this is not all.
      const missing = 4 * (TOLD_CHARACTERS + 1) - start.length;
      if (missing > 0) start = Buffer.concat([start, piece.subarray(0, missing)]);
      const seen = Buffer.concat([end, piece]);
      end = seen.subarray(Math.max(0, seen.length - wanted.length + 1));
      return seen.includes(wanted);
    },
    isOver: (): boolean => length >= MOST_BYTES,
    start: (): string => start.toString(),
  };
};

/** The beginning of a text from elsewhere, such that it cannot steer a terminal or turn a line around. */
const quote = (text: string): string => {
  const characters = Array.from(text);
  const told = JSON.stringify(characters.slice(0, TOLD_CHARACTERS).join(''));
  const safe = told.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (letter) =>
    letter.replace(/./gs, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  );
  return characters.length > TOLD_CHARACTERS ? `${safe}…` : safe;
};
