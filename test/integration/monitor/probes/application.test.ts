import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Address } from '../../../../src/lib/address.ts';
import { openCheckSource } from '../../../../src/monitor/checks/announced-check.ts';
import { probeUpstream, runProbe } from '../../../../src/monitor/probes/run-probe.ts';
import { deaf, freePort, serve } from '../../../support/proxy/proxy-harness.ts';
import { tempFolder } from '../../../support/temp-dir.ts';

const LIMIT_MS = 10_000;
/** For a server that never says what is waited for. */
const SHORT_MS = 200;

const probeHttp = (at: Address, extra = {}, timeoutMs = LIMIT_MS): Promise<string> =>
  reported(at, runProbe(at, at, { type: 'http', path: '/', tls: false, ...extra }, timeoutMs));

const expectText = (at: Address, extra = {}, timeoutMs = LIMIT_MS): Promise<string> =>
  reported(at, runProbe(at, at, { ...PING, ...extra }, timeoutMs));
const PING = { type: 'expect', send: 'PING\r\n', expect: '+PONG', tls: false } as const;

/** "ok", or the phase and what is wrong, without where. */
const reported = async (at: Address, probing: ReturnType<typeof runProbe>): Promise<string> => {
  const result = await probing;
  if (result.ok) return 'ok';
  const wrong = result.error.replace(/^(GET \S+ at )?(127\.0\.0\.1:\d+|unix:\S+): /, '');
  assert.notEqual(wrong, result.error, `${at.host} is named`);
  return `${result.phase}: ${wrong}`;
};

const serveHttp = async (t: TestContext, handle: RequestListener): Promise<Address> => {
  const server = createServer(handle);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', () => done()));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
};

/** Answers a line by what `answer` makes of it. */
const serveLines = (t: TestContext, answer: (line: string) => string, at?: Address): Promise<Address> =>
  serve(t, (socket) => socket.on('data', (line) => socket.write(answer(String(line)))), at);

describe('an http probe', () => {
  test('wants the status, and the body where one is asked for', async (t) => {
    const at = await serveHttp(t, (request, response) => {
      response.statusCode = request.url === '/missing' ? 404 : 200;
      response.end('<title>an application</title>');
    });
    const table: [extra: object, outcome: string][] = [
      [{}, 'ok'],
      [{ body: 'an application' }, 'ok'],
      [{ body: 'another' }, 'answer: the body has no "another"'],
      [{ path: '/missing' }, 'answer: status 404, expected 200 to 399'],
      [{ status: 204 }, 'answer: status 200, expected 204'],
    ];
    for (const [extra, outcome] of table) assert.equal(await probeHttp(at, extra), outcome);
  });

  test('takes a stream that never ends for healthy by its headers, or as soon as it has the body', async (t) => {
    const at = await serveHttp(t, (_, response) => response.write('data: ready\n\n'));
    assert.equal(await probeHttp(at), 'ok');
    assert.equal(await probeHttp(at, { body: 'ready' }), 'ok');
    assert.equal(
      await probeHttp(at, { body: 'done' }, SHORT_MS),
      `answer: the body has no "done" within ${SHORT_MS} ms`,
    );
  });

  test('reads the first megabyte of a body that never ends, and no more', async (t) => {
    const at = await serveHttp(t, (_, response) => flood(response.socket, response));
    const wrong = 'answer: the body has no "needle" in its first 1000000 bytes';
    assert.equal(await probeHttp(at, { body: 'needle' }), wrong);
  });

  test('fails when the connection is upgraded, ends or carries something else, and waits for nothing more', async (t) => {
    const answers = async (answer: string): Promise<string> =>
      probeHttp(await serve(t, (socket) => socket.end(answer)));
    assert.match(await answers('HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'), /^answer: /);
    assert.equal(await answers(''), 'answer: closed without an answer');
    assert.match(await answers('SSH-2.0-x\r\n'), /^answer: Parse Error/);
    const cut = await serve(t, (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf'));
    assert.equal(await probeHttp(cut, { body: 'whole' }), 'answer: the body has no "whole"');
  });
});

describe('an expect probe', () => {
  test('sends its text, and wants the other one anywhere in the answer', async (t) => {
    const at = await serveLines(t, (line) => (line === 'PING\r\n' ? 'hello\r\n+PONG\r\n' : '-ERR\r\n'));
    assert.equal(await expectText(at), 'ok');
    assert.equal(await expectText(at, { send: 'QUIT' }, SHORT_MS), lacking('-ERR\\r\\n'));
  });

  test('without a text to send waits for the greeting', async (t) => {
    const received: Buffer[] = [];
    const at = await serve(t, (socket) => {
      socket.on('data', (chunk) => received.push(chunk)).write('SSH-2.0-OpenSSH_9.2\r\n');
    });
    assert.equal(await expectText(at, { send: '', expect: 'SSH-2.0' }), 'ok');
    assert.deepEqual(received, []);
  });

  test('finds a text that arrives byte by byte, and one whose letters have more than one', async (t) => {
    const at = await serve(t, async (socket) => {
      for (const byte of Buffer.from('+PO+grüße, 世界!')) {
        socket.write(Buffer.of(byte));
        // By then the probe has read it: this is its process, and loopback delivers at once.
        await setImmediate();
        await setImmediate();
      }
    });
    assert.equal(await expectText(at, { expect: 'grüße, 世界' }), 'ok');
    assert.equal(await expectText(at, { expect: '!' }), 'ok');
  });

  test('tells the time-out of a server that says nothing from one that says something else', async (t) => {
    const silent = await serve(t, () => {});
    assert.equal(await expectText(silent, {}, SHORT_MS), `answer: no answer within ${SHORT_MS} ms`);
    const other = await serve(t, (socket) => socket.write('-NOAUTH\r\n'));
    assert.equal(await expectText(other, {}, SHORT_MS), lacking('-NOAUTH\\r\\n'));
  });

  test('tells a server that closes from one that resets, and from one that answers something else first', async (t) => {
    const ending = async (end: (socket: Socket) => unknown): Promise<string> =>
      expectText(await serve(t, (socket) => socket.once('data', () => end(socket))));
    assert.equal(await ending((socket) => socket.end()), 'answer: closed without an answer');
    assert.equal(
      await ending((socket) => socket.resetAndDestroy()),
      'answer: closed without an answer (ECONNRESET)',
    );
    assert.equal(
      await ending((socket) => socket.end('-NOAUTH\r\n')),
      'answer: the answer "-NOAUTH\\r\\n" has no "+PONG"',
    );
  });

  test('quotes 60 characters of a wrong answer, none of which reaches a terminal as a command', async (t) => {
    const quoted = async (answer: string | Buffer): Promise<string> => {
      const at = await serve(t, (socket) => socket.end(answer));
      return (await expectText(at)).replace(/^answer: the answer (".*"…?) has no "\+PONG"$/, '$1');
    };
    assert.equal(await quoted('é'.repeat(60)), `"${'é'.repeat(60)}"`);
    assert.equal(await quoted('😀'.repeat(61)), `"${'😀'.repeat(60)}"…`);
    assert.equal(await quoted('\x1b[2J\x7f\x9b\u202e\u2028'), '"\\u001b[2J\\u007f\\u009b\\u202e\\u2028"');
    assert.equal(await quoted(Buffer.of(0, 0xff)), '"\\u0000\ufffd"');
  });

  test('reads the first megabyte of an answer that never ends, and no more', async (t) => {
    const answers = async (dashes: number): Promise<string> => {
      const at = await serve(t, (socket) => socket.write(`${'-'.repeat(dashes)}+PONG`));
      return expectText(at);
    };
    assert.equal(await answers(999_995), 'ok');
    assert.match(await answers(999_996), / in its first 1000000 bytes$/);
    const ended = new Promise((done) => {
      void serve(t, (socket) => flood(socket.once('close', done), socket)).then(async (at) =>
        assert.match(
          await expectText(at),
          /^answer: the answer "-{60}"… has no "\+PONG" in its first 1000000 b/,
        ),
      );
    });
    await ended;
  });

  test('asks on a unix socket', async (t) => {
    const path = join(tempFolder(), 'app.sock');
    const at = await serveLines(t, () => '+PONG\r\n', { host: path, port: 0 });
    assert.equal(await expectText(at), 'ok');
    assert.equal(
      await expectText(at, { expect: 'x' }, SHORT_MS),
      `answer: the answer "+PONG\\r\\n" has no "x" within ${SHORT_MS} ms`,
    );
    assert.equal(await expectText({ host: `${path}.not`, port: 0 }), 'connect: refused (ENOENT)');
  });

  const lacking = (answer: string): string =>
    `answer: the answer "${answer}" has no "+PONG" within ${SHORT_MS} ms`;
});

describe('either probe', () => {
  test('does not half-close after its question', async (t) => {
    const at = await serve(t, (socket) =>
      socket.once('data', async () => {
        // What was sent together with the question is here before another connection is.
        const other = await serve(t, (one) => one.end());
        await new Promise((done) => connect(other).resume().once('close', done));
        socket.end(socket.readableEnded ? '' : 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n+PONG');
      }),
    );
    assert.equal(await expectText(at), 'ok');
    assert.equal(await probeHttp(at, { body: '+PONG' }), 'ok');
  });

  test('tells an upstream that does not accept from one that does not answer', async (t) => {
    const [nobody, full] = [{ host: '127.0.0.1', port: await freePort() }, await deaf(t)];
    for (const ask of [expectText, probeHttp]) {
      assert.equal(await ask(nobody), 'connect: refused (ECONNREFUSED)');
      assert.equal(await ask(full, {}, SHORT_MS), `connect: did not accept within ${SHORT_MS} ms`);
    }
  });

  test('connects from the port that was announced, and names the upstream whichever way it goes', async (t) => {
    const received: unknown[] = [];
    const at = await serveHttp(t, ({ socket, headers }, response) => {
      received.push(socket.remotePort, headers.host);
      response.end();
    });
    const upstream = { host: 'app.test', port: 80 };
    const probe = { type: 'http', path: '/', tls: false } as const;
    const { address, connect } = openCheckSource(at.host);
    const result = await runProbe(at, upstream, probe, LIMIT_MS, () => connect(at));
    assert.deepEqual([result.ok, ...received], [true, address.port, 'app.test:80']);
  });

  test('has for its verdict what an address says that accepts, not that the others refuse', async (t) => {
    const { port } = await serve(t, (socket) => socket.end('-ERR'));
    const result = await probeUpstream({ host: 'localhost', port }, PING, [], LIMIT_MS);
    assert.deepEqual(
      [result.ok, 'phase' in result && result.phase, 'error' in result && result.error],
      [false, 'answer', `127.0.0.1:${port}: the answer "-ERR" has no "+PONG"`],
    );
  });
});

/** Writes for as long as the connection is there. */
const flood = (socket: Socket | null, to: { write(chunk: Buffer): boolean }): void => {
  const chunk = Buffer.alloc(65_536, '-');
  const more = (): void => {
    while (socket?.destroyed === false && to.write(chunk));
  };
  socket?.on('drain', more);
  more();
};
