import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { emailOf } from '../../../../src/alerting/channels/email.ts';
import { smtpOptionsOf } from '../../../../src/alerting/smtp-client.ts';
import { parseSecrets } from '../../../../src/config/secrets.ts';
import { emailAddressesOf } from '../../../../src/kinds/channels/email.ts';
import { flood, message, notification } from '../../../support/alerting/notification-samples.ts';

const ADDRESSES = { from: 'Alerts <alerts@example.org>', to: ['ops@example.org', 'b@example.net'] };

describe('an e-mail', () => {
  test('has the headline as its subject, a text, and an id that is the same in every try', () => {
    const { html, ...mail } = emailOf(message(notification()), ADDRESSES, 'web-1');
    assert.deepEqual(mail, {
      from: 'Alerts <alerts@example.org>',
      to: ['ops@example.org', 'b@example.net'],
      subject:
        '🚨 Down on devbox: MCP Inspector Web UI (tcp-proxy-6274). Proxy for port 6274 has no upstream: localhost:6274 does not answer.',
      messageId: '<steadyport.m-1.web-1@example.org>',
      date: new Date('2026-11-27T04:05:06Z'),
      text: `🚨 Down on devbox: MCP Inspector Web UI (tcp-proxy-6274)
Proxy for port 6274 has no upstream: localhost:6274 does not answer.
Since: 2026-11-27 04:04:06 UTC
Why: connection refused
Done: Nothing: a restart would not help.
To do: Start the application.

2026-11-27 04:05:06 UTC  steadyport m-1
`,
      headers: {
        'Auto-Submitted': 'auto-generated',
        'X-Auto-Response-Suppress': 'All',
        Importance: 'high',
        'X-Priority': '1 (Highest)',
      },
    });
    assert.equal(
      html,
      `<!doctype html>
<html lang="en"><body>
<div style="border-left:4px solid #d02f2f;padding-left:12px;margin:0 0 16px"><b>🚨 Down on devbox: MCP Inspector Web UI (tcp-proxy-6274)</b><br>Proxy for port 6274 has no upstream: localhost:6274 does not answer.<br><b>Since:</b> 2026-11-27 04:04:06 UTC<br><b>Why:</b> connection refused<br><b>Done:</b> Nothing: a restart would not help.<br><b>To do:</b> Start the application.</div>
<p style="color:#777">2026-11-27 04:05:06 UTC  steadyport m-1</p>
</body></html>
`,
    );
  });

  test('only what is critical has a high priority', () => {
    const { headers } = emailOf(message(notification({ severity: 'warning' })), ADDRESSES);
    assert.deepEqual(Object.keys(headers), ['Auto-Submitted', 'X-Auto-Response-Suppress']);
  });

  test('what comes from outside is no markup, and adds no header', () => {
    const outside = notification({ label: '<b>&"\r\nBcc: x@example.org' });
    const { subject, html, text } = emailOf(message(outside), ADDRESSES);
    assert.ok(html.includes('&lt;b&gt;&amp;&quot; Bcc: x@example.org'), html);
    for (const line of [subject, ...text.split('\n')]) assert.doesNotMatch(line, /^Bcc|[\r\n]/);
  });

  test('holds all sixty ports, with a subject that a reader shows', () => {
    const { subject, text } = emailOf(flood, ADDRESSES);
    assert.equal(text.match(/🚨 Down/g)?.length, 60);
    assert.ok(subject.length <= 200);
  });

  test('the id has only what RFC 5322 allows, and the domain of the sender', () => {
    const odd = { ...message(notification()), id: 'a b<c>-folded' };
    assert.equal(
      emailOf(odd, { from: 'a@xn--bcher-kva.example', to: [] }, 'host.näme').messageId,
      '<steadyport.a-b-c-folded.host-n-me@xn--bcher-kva.example>',
    );
  });
});

describe('the connection', () => {
  const query = '/?from=a@example.org&to=b@example.org';
  const table: readonly [url: string, expected: object][] = [
    ['smtp://mail.example.org', { port: 587, secure: false, requireTLS: false, isVerified: false }],
    ['smtp://u:p@mail.example.org', { port: 587, secure: false, requireTLS: true, isVerified: true }],
    ['smtp://u:p@mail.example.org:25', { port: 25, secure: false, requireTLS: true, isVerified: true }],
    ['smtp://u:p@localhost:25', { port: 25, secure: false, requireTLS: false, isVerified: false }],
    ['smtp://u:p@[::1]:25', { port: 25, secure: false, requireTLS: false, isVerified: false }],
    ['smtps://mail.example.org', { port: 465, secure: true, requireTLS: false, isVerified: true }],
    ['smtps://u:p@127.0.0.1:1465', { port: 1465, secure: true, requireTLS: false, isVerified: true }],
  ];
  for (const [url, expected] of table)
    test(url, () => {
      const { port, secure, requireTLS, tls } = smtpOptionsOf(new URL(url + query));
      assert.deepEqual({ port, secure, requireTLS, isVerified: tls.rejectUnauthorized }, expected);
    });
  test('an IPv6 address has no brackets', () => {
    assert.equal(smtpOptionsOf(new URL(`smtp://[2001:db8::1]:25${query}`)).host, '2001:db8::1');
  });
});

describe('EMAIL_URL', () => {
  test('a plus is part of an address, several are parted by commas, and a name may be there', () => {
    const url =
      'smtp://h/?from=My%20Alerts%20%3Ca+b@example.org%3E&to=ops+alerts@example.org,%20b@example.org&to=c@example.org';
    assert.deepEqual(parseSecrets({ EMAIL_URL: url }).errors, []);
    assert.deepEqual(emailAddressesOf(new URL(url)), {
      from: 'My Alerts <a+b@example.org>',
      to: ['ops+alerts@example.org', 'b@example.org', 'c@example.org'],
    });
  });

  const example = 'smtp://user:password@mail.example.org:587/?from=alerts@example.org&to=ops@example.org';
  const url = 'an smtp or smtps URL with a host';
  const from = 'one address as "from" in its query';
  const to = 'one address or several, with commas between them, as "to" in its query';
  const control = 'names and addresses without control characters';
  const table: readonly [value: string, expected: string][] = [
    ['ops@example.org', url],
    ['https://mail.example.org/?from=a@b.c&to=d@e.f', url],
    ['smtp:///?from=a@b.c&to=d@e.f', url],
    ['smtp://:hidden@h/?from=a@b.c&to=d@e.f', 'a user before the password'],
    ['smtp://h/?from=a@b.c&to=d@e.f&subject=x', 'a query of "from" and "to" alone'],
    ['smtp://h/?to=d@e.f', from],
    ['smtp://h/?from=a@b.c&from=x@y.z&to=d@e.f', from],
    ['smtp://h/?from=a@b.c,x@y.z&to=d@e.f', from],
    ['smtp://h/?from=a@b.c', to],
    ['smtp://h/?from=a@b.c&to=d', to],
    ['smtp://h/?from=a@b.c&to=d@e.f,', to],
    ['smtp://h/?from=a@b.c&to=d@e.f%0d%0aBcc:%20x@y.z', to],
    ['smtp://h/?from=A%0d%0aX-Y:%20z%20<a@b.c>&to=d@e.f', control],
    ['smtp://h/?from=a@b.c&to=D%0aE%20<d@e.f>', control],
    ['smtp://h/?from=a%01@b.c&to=d@e.f', control],
  ];
  for (const [value, expected] of table)
    test(`${value} is wrong`, () => {
      const { secrets, errors } = parseSecrets({ EMAIL_URL: value });
      assert.equal(secrets.email, null);
      assert.deepEqual(errors, [`EMAIL_URL is not shown here: expected ${expected}, such as ${example}`]);
    });
});
