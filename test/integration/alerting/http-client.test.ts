import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, test } from 'node:test';
import type { Delivery } from '../../../src/alerting/delivery.ts';
import { request } from '../../../src/alerting/http-client.ts';
import { Secret } from '../../../src/config/secrets.ts';
import {
  answer,
  type Behaviour,
  closeInTheMiddle,
  closeWithoutAnswer,
  discordBusy,
  discordOk,
  endless,
  hang,
  hangAfterHead,
  openReceiver,
  redirect,
  slackBusy,
  slackOk,
} from '../../support/alerting/http-receiver.ts';
import { makeCertificate } from '../../support/programs/certificate.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const PATH = '/services/T0SECRET/B0SECRET?token=querysecret';
const never = new AbortController().signal;
const send = (base: string, timeoutMs?: number, signal = never): Promise<Delivery> =>
  request(
    new Secret(`${base}${PATH}`),
    { method: 'POST', body: { text: 'x' }, ...(timeoutMs === undefined ? {} : { timeoutMs }) },
    signal,
  );
const failed = (problem: string, over: { retryAfterMs?: number; isFinal?: boolean } = {}): Delivery => ({
  ok: false,
  problem,
  retryAfterMs: null,
  isFinal: false,
  ...over,
});

describe('what an answer means', () => {
  const date = 'Fri, 27 Nov 2026 10:00:00 GMT';
  const later = 'Fri, 27 Nov 2026 10:00:07 GMT';
  const table: readonly [title: string, behave: Behaviour, delivery: Delivery][] = [
    ["Slack's ok", slackOk, { ok: true }],
    ["Discord's 204", discordOk, { ok: true }],
    ['a 200 that has no end', endless(200), { ok: true }],
    ['a 200 whose body never comes', hangAfterHead(200), { ok: true }],
    ['a 200 that breaks off', closeInTheMiddle(200), { ok: true }],
    ["Slack's rate limit", slackBusy(30), failed('HTTP 429: rate_limited', { retryAfterMs: 30_000 })],
    [
      "Discord's rate limit, which is finer than its header",
      discordBusy(0.4567),
      failed('HTTP 429: You are being rate limited.', { retryAfterMs: 457 }),
    ],
    [
      "a date, by the receiver's own clock",
      answer(503, '', { 'retry-after': later, date }),
      failed('HTTP 503', { retryAfterMs: 7_000 }),
    ],
    [
      'a date that is over',
      answer(503, '', { 'retry-after': date, date: later }),
      failed('HTTP 503', { retryAfterMs: 0 }),
    ],
    [
      'a year',
      answer(429, '', { 'retry-after': '31536000' }),
      failed('HTTP 429', { retryAfterMs: 3_600_000 }),
    ],
    ['nonsense', answer(429, '', { 'retry-after': 'soon' }), failed('HTTP 429')],
    ['a wait that goes with another code', answer(500, '', { 'retry-after': '5' }), failed('HTTP 500')],
    [
      'a text that is wrong',
      answer(400, 'invalid_payload'),
      failed('HTTP 400: invalid_payload', { isFinal: true }),
    ],
    ['a text that is too long', answer(413), failed('HTTP 413', { isFinal: true })],
    ['a text that cannot be used', answer(422), failed('HTTP 422', { isFinal: true })],
    ['a URL of nobody', answer(404, 'no_service'), failed('HTTP 404: no_service')],
    [
      "Discord's reason",
      answer(404, '{"message": "Unknown Webhook", "code": 10015}'),
      failed('HTTP 404: Unknown Webhook'),
    ],
    ['no right', answer(403, 'action_prohibited'), failed('HTTP 403: action_prohibited')],
    ['a page for a browser', answer(502, '<html>Bad gateway</html>'), failed('HTTP 502')],
    ['an answer that has the URL in it', answer(404, `no route to ${PATH}`), failed('HTTP 404')],
    ['an answer that has a part of it', answer(404, 'bad token querysecret'), failed('HTTP 404')],
    ['an answer that has a part in capitals', answer(404, 'bad token QUERYSECRET'), failed('HTTP 404')],
    [
      'an answer that has a part in escapes',
      answer(404, '{"message": "no \\u0071uerysecret"}'),
      failed('HTTP 404'),
    ],
    [
      'a text that steers a terminal',
      answer(404, '\x1b[2Jno\u202e \r\nservice'),
      failed('HTTP 404: [2Jno\\u202e service'),
    ],
    ['an error without end', endless(500), failed(`HTTP 500: ${'x'.repeat(100)}…`)],
    ['a redirect', redirect('http://127.0.0.1:1/'), failed('HTTP 302, a redirect, which is not followed')],
    ['no answer', closeWithoutAnswer, failed('connection closed before the answer')],
  ];
  for (const [title, behave, delivery] of table)
    test(title, async () => {
      const receiver = await openReceiver(behave);
      assert.deepEqual(await send(receiver.url), delivery);
      assert.deepEqual(
        receiver.received.map(({ method, path, json }) => ({ method, path, json })),
        [{ method: 'POST', path: PATH, json: { text: 'x' } }],
      );
    });
});

test('an error that breaks off is still its status', async () => {
  const receiver = await openReceiver(closeInTheMiddle(500));
  const got = await send(receiver.url);
  assert.ok(!got.ok && got.problem.startsWith('HTTP 500'), JSON.stringify(got));
});

test('a receiver that hangs is given up after the time-out', async () => {
  const receiver = await openReceiver(hang);
  assert.deepEqual(await send(receiver.url, 50), failed('timed out after 0.05 s'));
});

test('a caller that aborts ends the try', async () => {
  const receiver = await openReceiver(hang);
  const abortController = new AbortController();
  const sending = send(receiver.url, undefined, abortController.signal);
  await receiver.got(1);
  abortController.abort();
  assert.deepEqual(await sending, failed('given up, since the monitor stops'));
  assert.deepEqual(
    await send(receiver.url, undefined, abortController.signal),
    failed('given up, since the monitor stops'),
  );
});

test("no listener stays on the caller's signal after a try", async () => {
  const receiver = await openReceiver(slackOk);
  const { signal } = new AbortController();
  await send(receiver.url, undefined, signal);
  assert.deepEqual(getEventListeners(signal, 'abort'), []);
});

test('a refused connection is reported without the URL', async () => {
  const receiver = await openReceiver(slackOk);
  await receiver.close();
  assert.deepEqual(await send(receiver.url), failed('connection refused'));
  // Tried at both of its addresses.
  const named = receiver.url.replace('127.0.0.1', 'localhost');
  assert.deepEqual(await send(named), failed('connection refused'));
});

test('a name that does not exist is reported without the name', async () => {
  const got = await send('http://secret-host.invalid');
  assert.ok(!got.ok && !got.problem.includes('secret'), JSON.stringify(got));
});

test('a port that fetch refuses is reported', async () => {
  assert.deepEqual(
    await send('http://127.0.0.1:6667'),
    failed('the port of the URL is one that fetch refuses to call'),
  );
});

test('an untrusted certificate is reported by its code', async () => {
  const receiver = await openReceiver(slackOk, makeCertificate(tempFolder()));
  assert.deepEqual(await send(receiver.url), failed('TLS error: DEPTH_ZERO_SELF_SIGNED_CERT'));
  assert.deepEqual(receiver.received, []);
});

test('TLS to a server without TLS is reported by its code', async () => {
  const receiver = await openReceiver(slackOk);
  const got = await send(receiver.url.replace('http:', 'https:'));
  assert.ok(!got.ok);
  assert.match(got.problem, /^TLS error: ERR_SSL_\w+$/);
});

test('a % that is no escape stands for itself in a password', async () => {
  const receiver = await openReceiver(answer(204));
  assert.deepEqual(await send(receiver.url.replace('//', '//me:50%off@')), { ok: true });
  const [one] = receiver.received;
  assert.equal(one?.headers.authorization, `Basic ${Buffer.from('me:50%off').toString('base64')}`);
});

test('the user and the password of a URL go into a header', async () => {
  const receiver = await openReceiver(answer(401, 'who is me:pässword?'));
  const got = await send(receiver.url.replace('//', '//me:p%C3%A4ssword@'));
  assert.deepEqual(got, failed('HTTP 401'));
  const [one] = receiver.received;
  assert.equal(one?.headers.authorization, `Basic ${Buffer.from('me:pässword').toString('base64')}`);
});
