import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import type { Address } from '../../../../src/lib/address.ts';
import { runProbe } from '../../../../src/monitor/probes/run-probe.ts';
import { makeCertificate } from '../../../support/programs/certificate.ts';
import {
  AUTHENTICATION_OK,
  errorResponse,
  READY,
  SASL_WANTED,
} from '../../../support/programs/postgres-messages.ts';
import { serve } from '../../../support/proxy/proxy-harness.ts';
import { needs, needsProgram } from '../../../support/requirements.ts';
import { tempFolder } from '../../../support/temp-dir.ts';

const LIMIT_MS = 10_000;
/** For a server that never completes its answer. */
const SHORT_MS = 200;
const REDIS = { type: 'redis', tls: false } as const;
const POSTGRES = { type: 'postgres', user: 'postgres', tls: false } as const;
type DatabaseProbe = Parameters<typeof runProbe>[2] & { readonly type: 'redis' | 'postgres' };

/** "ok", or the phase and the problem, without the address. */
const run = async (at: Address, probe: DatabaseProbe, timeoutMs = LIMIT_MS): Promise<string> => {
  const result = await runProbe(at, at, probe, timeoutMs);
  return result.ok ? 'ok' : `${result.phase}: ${result.error.replace(`127.0.0.1:${at.port}: `, '')}`;
};

/** What the probe makes of a server that answers its first message with `answer`. */
const answered = async (
  t: TestContext,
  probe: DatabaseProbe,
  answer: (socket: Socket) => unknown,
  timeoutMs = LIMIT_MS,
): Promise<string> =>
  run(await serve(t, (socket) => socket.once('data', () => answer(socket))), probe, timeoutMs);

const byteByByte = async (socket: Socket, bytes: Buffer): Promise<void> => {
  for (const byte of bytes) {
    socket.write(Buffer.of(byte));
    // By then the probe has read it: this is its process, and loopback delivers at once.
    await setImmediate();
    await setImmediate();
  }
};

for (const probe of [REDIS, POSTGRES])
  describe(`a ${probe.type} probe`, () => {
    const where = probe.type === 'redis' ? 'PING at' : 'PostgreSQL at';
    const part = probe.type === 'redis' ? '+PO' : 'R\0';

    test('names the time-out of a server that is silent, and of one that stops in its answer', async (t) => {
      const silent = await answered(t, probe, () => {}, SHORT_MS);
      assert.equal(silent, `answer: ${where} no answer within ${SHORT_MS} ms`);
      const stopped = await answered(t, probe, (socket) => socket.write(part), SHORT_MS);
      const quoted = JSON.stringify(part);
      assert.equal(stopped, `answer: ${where} the answer ${quoted} is not complete within ${SHORT_MS} ms`);
    });

    test('tells a server that closes from one that resets, and from one that is cut off in its answer', async (t) => {
      const closed = `answer: ${where} closed without an answer`;
      assert.equal(await answered(t, probe, (socket) => socket.end()), closed);
      const reset = await answered(t, probe, (socket) => socket.resetAndDestroy());
      assert.equal(reset, `${closed} (ECONNRESET)`);
      const cut = await answered(t, probe, (socket) => socket.end(part));
      assert.equal(cut, `answer: ${where} the answer ${JSON.stringify(part)} is not complete`);
    });

    test('refuses the answer of another kind of server', async (t) => {
      const other = await answered(t, probe, (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
      assert.match(other, /^answer: .* the answer (is )?"HTTP\/1\.1 400 Bad Request/);
    });

    test('stops reading an answer that never ends', async (t) => {
      const flood =
        probe.type === 'redis' ? Buffer.alloc(2_000, 'x') : Buffer.alloc(100_000, AUTHENTICATION_OK);
      const problem = await answered(t, probe, (socket) => socket.write(flood));
      assert.match(problem, probe.type === 'redis' ? /is not a line$/ : /is not PostgreSQL's$/);
    });
  });

describe('a redis probe', () => {
  test('sends PING as an array, and takes a pong or the demand for a login as an answer', async (t) => {
    const received: string[] = [];
    const table: [answer: string, outcome: string][] = [
      ['+PONG\r\n', 'ok'],
      ['-NOAUTH Authentication required.\r\n', 'ok'],
      ["-NOPERM this user has no permissions to run the 'ping' command\r\n", 'ok'],
      [
        '-LOADING Redis is loading the dataset in memory\r\n',
        refused('-LOADING Redis is loading the dataset in memory'),
      ],
      ['-ERR max number of clients reached\r\n', refused('-ERR max number of clients reached')],
      ['-NOAUTHORITY\r\n', refused('-NOAUTHORITY')],
      ['+PONGO\r\n', refused('+PONGO')],
    ];
    for (const [answer, outcome] of table) {
      const at = await serve(t, (socket) =>
        socket.once('data', (bytes) => {
          received.push(String(bytes));
          socket.write(answer);
        }),
      );
      assert.equal(await run(at, REDIS), outcome);
    }
    assert.deepEqual([...new Set(received)], ['*1\r\n$4\r\nPING\r\n']);
  });

  test('reads an answer that arrives byte by byte', async (t) => {
    const slow = (answer: string) => (socket: Socket) => byteByByte(socket, Buffer.from(answer));
    assert.equal(await answered(t, REDIS, slow('+PONG\r\n')), 'ok');
    assert.equal(await answered(t, REDIS, slow('-ERR x\r\n')), refused('-ERR x'));
  });

  const refused = (line: string): string =>
    `answer: PING at the answer is ${JSON.stringify(line)}, expected "+PONG"`;
});

describe('a postgres probe', () => {
  test('takes a request for a password, or an error that shows that it is up, and leaves without a word', async (t) => {
    for (const answer of [
      SASL_WANTED,
      errorResponse('3D000', 'no'),
      errorResponse('53300', 'too many clients'),
    ]) {
      let rest: Buffer | undefined;
      const ended = new Promise<void>((done) => {
        void answered(t, POSTGRES, (socket) => {
          socket.on('data', (bytes) => {
            rest = bytes;
          });
          socket.on('end', done).write(answer);
        }).then((outcome) => assert.equal(outcome, 'ok'));
      });
      await ended;
      assert.equal(rest, undefined);
    }
  });

  test('is let in without a password, waits until the server is ready and says goodbye', async (t) => {
    let goodbye = '';
    const ended = new Promise<void>((done) => {
      void answered(t, POSTGRES, async (socket) => {
        socket.on('data', (bytes) => {
          goodbye += bytes.toString('hex');
        });
        socket.on('end', done);
        await byteByByte(socket, Buffer.concat([AUTHENTICATION_OK, READY]));
      }).then((outcome) => assert.equal(outcome, 'ok'));
    });
    await ended;
    assert.equal(goodbye, '5800000004');
  });

  test('says why a server takes no clients', async (t) => {
    const starting = errorResponse('57P03', 'the database system is starting up');
    const refusal = 'answer: PostgreSQL at the server says "the database system is starting up" (57P03)';
    assert.equal(await answered(t, POSTGRES, (socket) => socket.write(starting)), refusal);
    assert.equal(await answered(t, POSTGRES, (socket) => byteByByte(socket, starting)), refusal);
  });

  test('asks for TLS first where that is wanted, and names what a server without TLS answers', async (t) => {
    const expected = { ...POSTGRES, tls: true } as const;
    const answers = (answer: string): Promise<string> =>
      answered(t, expected, (socket) => socket.write(answer));
    assert.equal(await answers('N'), 'answer: PostgreSQL at the server has no TLS');
    const problem = 'the server answers the request for TLS with an error';
    assert.equal(await answers('Ecould not fork\n\0'), `answer: PostgreSQL at ${problem}`);
    assert.equal(await answers('SR'), 'answer: PostgreSQL at the answer "SR" is not PostgreSQL\'s');
    const silent = await answered(t, expected, () => {}, SHORT_MS);
    assert.equal(silent, `answer: PostgreSQL at no answer within ${SHORT_MS} ms`);
    const closed = await answered(t, expected, (socket) => socket.end());
    assert.equal(closed, 'answer: PostgreSQL at closed without an answer');
  });

  test('goes on over TLS when the server agrees', {
    skip: needs(needsProgram('openssl', 'openssl')),
  }, async (t) => {
    const { key, cert } = makeCertificate(tempFolder());
    const at = await serve(t, (socket) =>
      socket.once('data', (request) => {
        assert.equal(request.toString('hex'), '0000000804d2162f');
        socket.write('S');
        const secure = new TLSSocket(socket, { isServer: true, key, cert });
        secure.on('error', () => {}).once('data', () => secure.write(SASL_WANTED));
      }),
    );
    assert.equal(await run(at, { ...POSTGRES, tls: true }), 'ok');
    const unverified = await run(at, { ...POSTGRES, tls: 'verify' });
    assert.equal(unverified, 'answer: PostgreSQL at TLS failed (DEPTH_ZERO_SELF_SIGNED_CERT)');
  });
});
