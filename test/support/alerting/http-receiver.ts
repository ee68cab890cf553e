import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';
import type { Certificate } from '../programs/certificate.ts';

/** Answers, or does not answer, a request that the receiver has read to its end. */
export type Behaviour = (response: ServerResponse, request: IncomingMessage) => void;

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  /** The parsed text; undefined when it is not JSON. */
  readonly json: unknown;
}

/** An HTTP server that takes alerts, or misbehaves as real services do. */
export interface Receiver {
  readonly url: string;
  readonly received: readonly Received[];
  behave: Behaviour;
  /** Resolves when `count` requests have arrived in all; rejects after two minutes. */
  got(count: number): Promise<void>;
  close(): Promise<void>;
}

export const answer =
  (code: number, body = '', headers: Readonly<Record<string, string>> = {}): Behaviour =>
  (response) => {
    response.writeHead(code, headers).end(body);
  };

/** https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks */
export const slackOk = answer(200, 'ok');
export const slackBusy = (seconds: number): Behaviour =>
  answer(429, 'rate_limited', { 'retry-after': String(seconds) });
/** https://discord.com/developers/docs/topics/rate-limits */
export const discordOk = answer(204);
export const discordBusy = (seconds: number): Behaviour =>
  answer(
    429,
    JSON.stringify({ message: 'You are being rate limited.', retry_after: seconds, global: false }),
    { 'content-type': 'application/json', 'retry-after': String(Math.ceil(seconds)) },
  );

export const hang: Behaviour = () => {};
export const closeWithoutAnswer: Behaviour = (response) => response.socket?.destroy();
/** Announces a body of 1000 bytes, sends a part of it and closes the connection. */
export const closeInTheMiddle =
  (code: number): Behaviour =>
  (response) => {
    response.writeHead(code, { 'content-length': '1000' });
    response.write('half of it', () => response.socket?.destroy());
  };
/** Sends the head of an answer and never its body. */
export const hangAfterHead =
  (code: number): Behaviour =>
  (response) => {
    response.writeHead(code).flushHeaders();
  };
export const redirect = (to: string): Behaviour => answer(302, '', { location: to });
/** Sends a body until the other side closes the connection. */
export const endless =
  (code: number): Behaviour =>
  (response) => {
    const part = 'x'.repeat(65_536);
    response.writeHead(code);
    const more = (): void => {
      while (!response.destroyed && response.write(part));
    };
    response.on('drain', more).on('error', () => {});
    more();
  };

/** Starts a receiver on 127.0.0.1. It is closed after the test or the file that asked for it. */
export const openReceiver = async (behave: Behaviour, tls?: Certificate): Promise<Receiver> => {
  const received: Received[] = [];
  const waiting = new Set<() => void>();
  const listener: RequestListener = (request, response) => {
    const parts: Buffer[] = [];
    request
      .on('data', (part: Buffer) => parts.push(part))
      .on('end', () => {
        const text = Buffer.concat(parts).toString();
        const { method = '', url = '', headers } = request;
        received.push({ method, path: url, headers, text, json: parse(text) });
        for (const check of waiting) check();
        receiver.behave(response, request);
      });
  };
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  server.on('tlsClientError', () => {});
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const receiver: Receiver = {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    received,
    behave,
    got: (count) =>
      new Promise((done, fail) => {
        const giveUp = setTimeout(
          () => fail(new Error(`${received.length} of ${count} requests came within two minutes`)),
          120_000,
        );
        const check = (): void => {
          if (received.length < count) return;
          clearTimeout(giveUp);
          waiting.delete(check);
          done();
        };
        waiting.add(check);
        check();
      }),
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
  after(() => receiver.close());
  return receiver;
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
