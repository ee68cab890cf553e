import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  parseAnswer,
  SSL_REQUEST,
  type StartupAnswer,
  startupMessage,
} from '../../../../src/monitor/probes/postgres-protocol.ts';
import {
  AUTHENTICATION_OK,
  errorResponse,
  READY,
  SASL_WANTED,
  typed,
} from '../../../support/programs/postgres-messages.ts';

test('a startup message has its length, the protocol 3.0 and its parameters, each ended by a zero byte', () => {
  const message = startupMessage('app', 'shop');
  assert.equal(message.readInt32BE(0), message.length);
  assert.equal(message.toString('hex', 4, 8), '00030000');
  assert.equal(
    message.toString('utf8', 8),
    'user\0app\0database\0shop\0application_name\0steadyport-probe\0\0',
  );
  assert.equal(
    startupMessage('ü', undefined).toString('utf8', 8),
    'user\0ü\0application_name\0steadyport-probe\0\0',
  );
});

test('an SSLRequest has eight bytes', () => assert.equal(SSL_REQUEST.toString('hex'), '0000000804d2162f'));

describe('the answer to a startup message', () => {
  const settings = typed('S', Buffer.from('server_version\x0018.1\0'));
  const starting = errorResponse('57P03', 'the database system is starting up');
  const table: [answer: Buffer, kind: StartupAnswer['kind']][] = [
    [SASL_WANTED, 'login_wanted'],
    [Buffer.concat([AUTHENTICATION_OK, settings, READY]), 'ready'],
    [starting, 'error'],
    [Buffer.concat([AUTHENTICATION_OK, errorResponse('3D000', 'no database "x"')]), 'error'],
    // A type that comes only after the login, a text of another server, and lengths that cannot be.
    [READY, 'malformed'],
    [Buffer.from('HTTP/1.1 400 Bad Request\r\n'), 'malformed'],
    [Buffer.from('Ecould not fork new process for connection\n\0'), 'malformed'],
    [Buffer.from('R\0\0\0\x04'), 'malformed'],
    [Buffer.from('R\xff\xff\xff\xff', 'latin1'), 'malformed'],
    [typed('E', Buffer.from('SFATAL\0Mno state\0\0')), 'malformed'],
    [typed('E', Buffer.from('C57p03\0\0')), 'malformed'],
  ];
  for (const [answer, kind] of table)
    test(`${JSON.stringify(answer.toString('latin1').slice(0, 40))} → ${kind}`, () => {
      assert.equal(parseAnswer(answer).kind, kind);
    });

  test('has the SQLSTATE and the message of an error', () => {
    const message = 'the database system is starting up';
    assert.deepEqual(parseAnswer(starting), { kind: 'error', sqlState: '57P03', message });
  });

  test('is incomplete while any of its bytes is missing', () => {
    for (const whole of [SASL_WANTED, starting, Buffer.concat([AUTHENTICATION_OK, settings, READY])])
      for (let length = 0; length < whole.length; length += 1) {
        // "Ready" is known by its type; the session has begun when its first bytes are there.
        assert.equal(parseAnswer(whole.subarray(0, length)).kind, 'incomplete', `${length}`);
      }
  });
});
