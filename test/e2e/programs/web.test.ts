import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import {
  type ClientHttp2Session,
  connect,
  createSecureServer,
  createServer,
  type Http2Server,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { makeCertificate } from '../../support/programs/certificate.ts';
import { openStage } from '../../support/programs/stage.ts';
import { loadWs, needsWs, type WebSocket } from '../../support/programs/websocket.ts';
import { needs, needsProgram } from '../../support/requirements.ts';

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

test('a WebSocket carries 1,000 messages each way at once, one of 1 MB, pings, and the code that closes it', {
  skip: needs(needsWs()),
}, async (t) => {
  const { WebSocket, WebSocketServer } = await loadWs();
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  t.after(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  await once(server, 'listening');
  const proxy = await openStage(t).proxy(server.address().port);

  const open = async (): Promise<{ client: WebSocket; accepted: WebSocket; socket: Socket }> => {
    const connected = once(server, 'connection') as Promise<[WebSocket, IncomingMessage]>;
    const client = new WebSocket(`ws://127.0.0.1:${proxy.port}/`);
    t.after(() => client.terminate());
    await once(client, 'open');
    const [accepted, { socket }] = await connected;
    return { client, accepted, socket };
  };
  /** Closes one end, and checks that both ends get the code and the reason. */
  const close = async (closer: WebSocket, peer: WebSocket, code: number, reason: string): Promise<void> => {
    const closed = Promise.all([once(closer, 'close'), once(peer, 'close')]);
    closer.close(code, reason);
    for (const [gotCode, gotReason] of await closed)
      assert.deepEqual([gotCode, String(gotReason)], [code, reason]);
  };

  const { client, accepted, socket } = await open();
  const messages = Array.from({ length: 1000 }, (_, n) => randomBytes(n === 500 ? 1_000_000 : n));
  const arrived = Promise.all([client, accepted].map((end) => take(end, messages.length)));
  for (const message of messages) {
    client.send(message);
    accepted.send(message);
  }
  for (const received of await arrived) {
    assert.deepEqual(received.map(digest), messages.map(digest));
  }
  for (const end of [client, accepted]) {
    const pong = once(end, 'pong');
    end.ping('are you there?');
    assert.equal(String((await pong)[0]), 'are you there?');
  }
  await close(client, accepted, 4001, 'enough');

  const second = await open();
  await close(second.accepted, second.client, 1012, 'the server restarts');

  const [first, ...others] = await proxy.end();
  assert.deepEqual([first?.reason, ...others.map(({ reason }) => reason)], ['done', 'done']);
  assert.equal(first?.bytesToUpstream, socket.bytesRead);
  assert.equal(first?.bytesToClient, socket.bytesWritten);
});

/** Waits for the next `count` messages. */
const take = (socket: WebSocket, count: number): Promise<Buffer[]> =>
  new Promise((done) => {
    const taken: Buffer[] = [];
    socket.on('message', (message: Buffer) => {
      if (taken.push(message) === count) done(taken);
    });
  });

test('HTTP/2 without TLS: 100 streams are open at once, and each has its own bytes back', async (t) => {
  const server = createServer(OPTIONS).listen({ host: '127.0.0.1', port: 0 });
  t.after(() => server.close());
  await once(server, 'listening');
  echoOnceAllAreOpen(server);
  const proxy = await openStage(t).proxy((server.address() as AddressInfo).port);
  const [accepted] = await Promise.all([
    once(server, 'connection') as Promise<[Socket]>,
    exchange(t, connect(`http://127.0.0.1:${proxy.port}`, OPTIONS)),
  ]);
  const [connection, ...others] = await proxy.end();
  assert.deepEqual([connection?.reason, others], ['done', []]);
  assert.equal(connection?.bytesToUpstream, accepted[0].bytesRead);
  assert.equal(connection?.bytesToClient, accepted[0].bytesWritten);
});

test('HTTP/2 over TLS: ALPN and the certificate pass, and 100 streams are open at once', {
  skip: needs(needsProgram('openssl', 'openssl')),
}, async (t) => {
  const stage = openStage(t);
  const { key, cert } = makeCertificate(stage.folder);
  const server = createSecureServer({ key, cert, ...OPTIONS });
  server.listen({ host: '127.0.0.1', port: 0 });
  t.after(() => server.close());
  await once(server, 'listening');
  echoOnceAllAreOpen(server);
  const proxy = await stage.proxy((server.address() as AddressInfo).port);
  const session = connect(`https://127.0.0.1:${proxy.port}`, { ca: cert, ...OPTIONS });
  await exchange(t, session);
  assert.equal(session.alpnProtocol, 'h2');
  assert.deepEqual(
    (await proxy.end()).map(({ reason }) => reason),
    ['done'],
  );
});

for (const engine of ['kernel', 'portable'] as const)
  test(`HTTP/2, ${engine}: h2load has each request answered whole, on one connection and on fifty`, {
    skip: needs(needsProgram('h2load', 'nghttp2-client')),
  }, async (t) => {
    const answer = randomBytes(100_000);
    const server = createServer(OPTIONS).listen({ host: '127.0.0.1', port: 0 });
    t.after(() => server.close());
    await once(server, 'listening');
    server.on('request', (_, response) => response.end(answer));
    const stage = openStage(t);
    const proxy = await stage.proxy((server.address() as AddressInfo).port, engine);
    for (const load of ['-c 1 -m 100', '-c 50 -m 4 -w 20']) {
      const said = await stage.run('h2load', [
        ...`-n 500 ${load}`.split(' '),
        `http://127.0.0.1:${proxy.port}/`,
      ]);
      assert.match(said, /500 done, 500 succeeded, 0 failed, 0 errored/);
      assert.match(said, new RegExp(`\\(${500 * answer.length}\\) data$`, 'm'));
    }
    assert.equal((await proxy.end()).length, 1 + 50);
  });

const STREAMS = 100;
/** In MB; Node refuses streams above it. It is more than the bodies of all streams, which wait at the same time. */
const OPTIONS = { maxSessionMemory: 100 };

const echoOnceAllAreOpen = (server: Http2Server): void => {
  const waiting: ServerHttp2Stream[] = [];
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    waiting.push(stream);
    if (waiting.length < STREAMS) return;
    for (const open of waiting) {
      open.respond({ ':status': 200 });
      open.pipe(open);
    }
  });
};

/** Sends a different body on each stream of one session, expects it back, and closes the session. */
const exchange = async (t: TestContext, session: ClientHttp2Session): Promise<void> => {
  t.after(() => session.destroy());
  const bodies = Array.from({ length: STREAMS }, () => randomBytes(200_000));
  const answers = bodies.map((body) => buffer(session.request({ ':method': 'POST' }).end(body)));
  assert.deepEqual((await Promise.all(answers)).map(digest), bodies.map(digest));
  session.close();
  await once(session, 'close');
};
