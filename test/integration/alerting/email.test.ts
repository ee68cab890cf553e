import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { emailOf } from '../../../src/alerting/channels/email.ts';
import type { Delivery } from '../../../src/alerting/delivery.ts';
import { sendMail } from '../../../src/alerting/smtp-client.ts';
import { parseSecrets } from '../../../src/config/secrets.ts';
import { emailAddressesOf } from '../../../src/kinds/channels/email.ts';
import { message, notification } from '../../support/alerting/notification-samples.ts';
import {
  CUT,
  HANG,
  openMailReceiver,
  openScriptedMailServer,
  type SmtpAnswers,
} from '../../support/alerting/smtp-receiver.ts';
import { makeCertificate } from '../../support/programs/certificate.ts';
import { tempFolder } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

const never = new AbortController().signal;
const QUERY = 'from=alerts@example.org&to=ops@example.org';

/** Sends to `SCHEME://[USER:PASSWORD@]HOST:PORT`. */
const send = (
  base: string,
  { query = QUERY, signal = never, timeoutMs = 60_000 } = {},
): Promise<Delivery> => {
  const { secrets, errors } = parseSecrets({ EMAIL_URL: `${base}/?${query}` });
  assert.deepEqual(errors, []);
  assert.ok(secrets.email);
  const mail = emailOf(message(notification()), emailAddressesOf(secrets.email.revealUrl()));
  return sendMail(secrets.email, mail, signal, timeoutMs);
};

const failed = (problem: string, isFinal = false): Delivery => ({
  ok: false,
  problem,
  retryAfterMs: null,
  isFinal,
});

describe('a mail server', () => {
  test('gets the message as text and HTML, for each of its addresses', async () => {
    const { port, received } = await openMailReceiver();
    const query = 'from=Steady%20Port%20%3Calerts+1@example.org%3E&to=ops@example.org,b+x@example.org';
    assert.deepEqual(await send(`smtp://127.0.0.1:${port}`, { query }), { ok: true });
    const [mail = assert.fail('nothing came')] = received;
    assert.deepEqual([mail.from, mail.to], ['alerts+1@example.org', ['ops@example.org', 'b+x@example.org']]);
    assert.match(mail.source, /^From: Steady Port <alerts\+1@example\.org>\r$/m);
    assert.match(mail.source, /^Message-ID: <steadyport\.m-1\.[-A-Za-z0-9]+@example\.org>\r$/m);
    assert.match(mail.source, /^Date: Fri, 27 Nov 2026 04:05:06 \+0000\r$/m);
    assert.match(mail.source, /^Auto-Submitted: auto-generated\r$/m);
    assert.match(mail.source, /^Subject: =\?UTF-8\?/m);
    assert.match(mail.source, /^Content-Type: multipart\/alternative/m);
    for (const type of ['plain', 'html'])
      assert.match(mail.source, new RegExp(`^Content-Type: text/${type}`, 'm'));
  });

  test('at the loopback, gets a login without TLS, since it never leaves the machine', async () => {
    const { port, received } = await openMailReceiver({ login: { user: 'me', password: 'pä:ss@/' } });
    const base = `smtp://me:${encodeURIComponent('pä:ss@/')}@127.0.0.1:${port}`;
    assert.deepEqual(await send(base), { ok: true });
    assert.deepEqual(
      received.map(({ user, isEncrypted }) => ({ user, isEncrypted })),
      [{ user: 'me', isEncrypted: false }],
    );
  });

  test('that offers STARTTLS gets it, with any certificate, when there is no login to protect', async () => {
    const { port, received } = await openMailReceiver({ tls: makeCertificate(tempFolder()) });
    assert.deepEqual(await send(`smtp://0.0.0.0:${port}`), { ok: true });
    assert.deepEqual(
      received.map(({ isEncrypted }) => isEncrypted),
      [true],
    );
  });

  // 0.0.0.0 reaches this machine and is no loopback address.
  test('elsewhere, without STARTTLS, gets no password', async () => {
    const { port, received } = await openMailReceiver({ login: { user: 'me', password: 'hidden-word' } });
    const delivery = await send(`smtp://me:hidden-word@0.0.0.0:${port}`);
    assert.ok(!delivery.ok && !delivery.isFinal);
    assert.match(delivery.problem, /^SMTP 500 after STARTTLS/);
    assert.deepEqual(received, []);
  });

  test('with a certificate that is not trusted gets no password', async () => {
    const tls = makeCertificate(tempFolder());
    const login = { user: 'me', password: 'hidden-word' };
    const upgraded = await openMailReceiver({ tls, login });
    const secure = await openMailReceiver({ tls, login, isSecure: true });
    for (const [base, { received }] of [
      [`smtp://me:hidden-word@0.0.0.0:${upgraded.port}`, upgraded],
      [`smtps://me:hidden-word@127.0.0.1:${secure.port}`, secure],
    ] as const) {
      const delivery = await send(base);
      assert.ok(!delivery.ok && !delivery.isFinal);
      assert.equal(delivery.problem, 'TLS error: DEPTH_ZERO_SELF_SIGNED_CERT');
      assert.deepEqual(received, []);
    }
  });

  test('that refuses the login keeps the message: the password may be put right', async () => {
    const { port } = await openMailReceiver({ login: { user: 'me', password: 'right' } });
    assert.deepEqual(
      await send(`smtp://me:wrong-word@127.0.0.1:${port}`),
      // The server's words have the user in them.
      failed('SMTP 535 after AUTH PLAIN'),
    );
  });

  test('that does greylisting gets the same message again, with the same id', async () => {
    let tries = 0;
    const { port, received } = await openMailReceiver({
      refuseRecipient: () => {
        tries += 1;
        return tries === 1 ? { code: 450, text: 'Greylisted, please come back' } : null;
      },
    });
    const base = `smtp://127.0.0.1:${port}`;
    const greylisted = await send(base);
    assert.ok(!greylisted.ok && !greylisted.isFinal);
    assert.match(greylisted.problem, /^SMTP 450 .*after RCPT TO: Greylisted, please come back$/);
    assert.deepEqual([await send(base), await send(base)], [{ ok: true }, { ok: true }]);
    const ids = received.map(({ source }) => /^Message-ID: (.*)\r$/m.exec(source)?.[1]);
    assert.equal(ids.length, 2);
    assert.equal(new Set(ids).size, 1);
  });

  test('that takes one of several addresses has taken the message', async () => {
    const { port, received } = await openMailReceiver({
      refuseRecipient: (address) =>
        address === 'gone@example.org' ? { code: 550, text: 'No such user' } : null,
    });
    const query = 'from=a@example.org&to=gone@example.org,ops@example.org';
    assert.deepEqual(await send(`smtp://127.0.0.1:${port}`, { query }), { ok: true });
    assert.deepEqual(
      received.map(({ to }) => to),
      [['ops@example.org']],
    );
  });

  test('that refuses one address for good and the other for now is tried again', async () => {
    const { port } = await openMailReceiver({
      refuseRecipient: (address) => ({ code: address.startsWith('gone') ? 550 : 450, text: 'no' }),
    });
    const query = 'from=a@example.org&to=gone@example.org,ops@example.org,gone2@example.org';
    const delivery = await send(`smtp://127.0.0.1:${port}`, { query });
    assert.ok(!delivery.ok && !delivery.isFinal, JSON.stringify(delivery));
  });
});

describe('what an answer means', () => {
  const table: readonly [title: string, answers: SmtpAnswers, delivery: Delivery][] = [
    ['good answers', {}, { ok: true }],
    ['a cut after the message was taken', { QUIT: CUT }, { ok: true }],
    ['no answer to the farewell', { QUIT: HANG }, { ok: true }],
    [
      'no such mailbox',
      { RCPT: '550 5.1.1 No such user here' },
      failed('SMTP 550 5.1.1 after RCPT TO: No such user here', true),
    ],
    [
      'an answer of several lines',
      { RCPT: '550-5.1.1 No such\r\n550 5.1.1 user here' },
      failed('SMTP 550 5.1.1 after RCPT TO: No such 550 5.1.1 user here', true),
    ],
    [
      'an answer that has the address in it',
      { RCPT: '550 5.1.1 <OPS@example.org>: rejected' },
      failed('SMTP 550 5.1.1 after RCPT TO', true),
    ],
    [
      'an answer that has the domain in it',
      { RCPT: '554 5.7.1 relay to example.org denied' },
      failed('SMTP 554 5.7.1 after RCPT TO', true),
    ],
    ['greylisting', { RCPT: '451 4.7.1 Try later' }, failed('SMTP 451 4.7.1 after RCPT TO: Try later')],
    ['a full disk', { MAIL: '452 4.3.1 No space' }, failed('SMTP 452 4.3.1 after MAIL FROM: No space')],
    ['a sender that is refused', { MAIL: '550 Not you' }, failed('SMTP 550 after MAIL FROM: Not you', true)],
    ['a text that is spam', { message: '554 5.7.1 Spam' }, failed('SMTP 554 5.7.1 after DATA: Spam', true)],
    ['a filter that is busy', { message: '451 4.3.0 Busy' }, failed('SMTP 451 4.3.0 after DATA: Busy')],
    ['a server that takes no client', { greeting: '554 5.7.0 Blocked' }, failed('SMTP 554 5.7.0: Blocked')],
    ['a server that is busy', { greeting: '421 4.3.2 Busy' }, failed('SMTP 421 4.3.2: Busy')],
    ['a cut instead of the greeting', { greeting: CUT }, failed('connection closed before the answer')],
    ['a cut in the middle', { RCPT: CUT }, failed('connection closed before the answer')],
    ['a cut after the message', { message: CUT }, failed('connection closed before the answer')],
  ];
  for (const [title, answers, delivery] of table)
    test(title, async () => {
      const { port, steps } = await openScriptedMailServer(answers);
      assert.deepEqual(await send(`smtp://127.0.0.1:${port}`), delivery);
      if (delivery.ok) assert.ok(steps.includes('message'));
    });
});

test('a server that hangs at any step is given up after the time-out', async () => {
  for (const step of ['greeting', 'EHLO', 'RCPT', 'message'] as const) {
    const { port } = await openScriptedMailServer({ [step]: HANG });
    // Long enough for nodemailer to be loaded.
    const delivery = await send(`smtp://127.0.0.1:${port}`, { timeoutMs: 1_000 });
    assert.deepEqual(delivery, failed('timed out after 1 s'), step);
  }
});

test('a caller that aborts ends the try', async () => {
  const { port, steps } = await openScriptedMailServer({ message: HANG });
  const abortController = new AbortController();
  const { signal } = abortController;
  const sending = send(`smtp://127.0.0.1:${port}`, { signal });
  await until(() => steps.includes('message'));
  abortController.abort();
  assert.deepEqual(await sending, failed('given up, since the monitor stops'));
  assert.deepEqual(
    await send(`smtp://127.0.0.1:${port}`, { signal }),
    failed('given up, since the monitor stops'),
  );
});

test('a refused connection and a name that does not exist are reported without the URL', async () => {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  await new Promise((done) => server.close(done));
  assert.deepEqual(await send(`smtp://127.0.0.1:${address.port}`), failed('connection refused'));
  const unknown = await send('smtp://secret-host.invalid');
  assert.ok(!unknown.ok && !/secret|invalid/.test(unknown.problem), JSON.stringify(unknown));
});
