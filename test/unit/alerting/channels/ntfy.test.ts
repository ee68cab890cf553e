import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ntfy, ntfyBody } from '../../../../src/alerting/channels/ntfy.ts';
import { parseSecrets } from '../../../../src/config/secrets.ts';
import { flood, message, notification } from '../../../support/alerting/notification-samples.ts';

const context = { url: new URL('https://user:password@ntfy.example/steadyport-alerts') };

describe('ntfy', () => {
  test('a notification has its topic, title, priority and tags, and the id is at the end', () => {
    assert.deepEqual(ntfyBody(message(notification()), context), {
      topic: 'steadyport-alerts',
      title: '🚨 Down on devbox: MCP Inspector Web UI (tcp-proxy-6274)',
      message: [
        'Proxy for port 6274 has no upstream: localhost:6274 does not answer.',
        'Since: 2026-11-27 04:04:06 UTC',
        'Why: connection refused',
        'Done: Nothing: a restart would not help.',
        'To do: Start the application.',
        '',
        'steadyport m-1',
      ].join('\n'),
      priority: 5,
      tags: ['steadyport', 'tcp-proxy-6274'],
    });
  });

  test('several ports are one message, with a title for each and the priority of the gravest', () => {
    const recovered = notification({ kind: 'recovered', severity: 'info', proxy: 'tcp-proxy-1' });
    const restarted = notification({ kind: 'restarted', severity: 'warning', proxy: 'tcp-proxy-2' });
    const body = ntfyBody(message(recovered, restarted), context);
    assert.equal(body.title, '✅ Up again on devbox: tcp-proxy-1; 🔄 Restarted on devbox: tcp-proxy-2');
    assert.equal(body.priority, 4);
    assert.deepEqual(body.tags, ['steadyport', 'tcp-proxy-2', 'tcp-proxy-1']);
    const blocks = body.message.split('\n\n');
    assert.deepEqual(
      blocks.map((block) => block.split('\n')[0]),
      [
        '🔄 Restarted on devbox: MCP Inspector Web UI (tcp-proxy-2)',
        '✅ Up again on devbox: MCP Inspector Web UI (tcp-proxy-1)',
        'steadyport m-1',
      ],
    );
  });

  test('each severity has its priority', () => {
    const priorities = (['critical', 'warning', 'info'] as const).map(
      (severity) => ntfyBody(message(notification({ severity })), context).priority,
    );
    assert.deepEqual(priorities, [5, 4, 3]);
  });

  test('sixty ports at once are within the limits, and it is said how many more', () => {
    const body = ntfyBody(flood, context);
    assert.ok(Buffer.byteLength(body.message) <= 4_096, `${Buffer.byteLength(body.message)}`);
    assert.ok(Buffer.byteLength(JSON.stringify(body)) <= 8_192);
    assert.match(body.message, /… and \d+ more: tcp-proxy-2\d{4}, /);
    assert.match(body.message, /steadyport m-1$/);
  });

  test('the longest texts of one port are within the limits, whatever JSON and UTF-8 make of them', () => {
    for (const character of ['a', '"', '\\', '😀', '\u0001', 'é', '\ud800']) {
      const long = character.repeat(5_000);
      const texts = { summary: long, reason: long, actionTaken: long, nextStep: long };
      const body = ntfyBody(message(notification({ ...texts, label: long, proxy: long })), context);
      assert.ok(Buffer.byteLength(body.message) <= 4_096, character);
      assert.ok(Buffer.byteLength(JSON.stringify(body)) <= 8_192, character);
      assert.equal(body.tags.length, 2, character);
    }
  });

  test('JSON goes to the root of the server, below a path that it may have', () => {
    const endpointOf = (url: string) => {
      assert.ok('toRequest' in ntfy);
      return ntfy.toRequest(message(notification()), { url: new URL(url), pageUrl: null, now: 0 }).url?.href;
    };
    assert.equal(endpointOf('https://ntfy.sh/topic'), 'https://ntfy.sh/');
    assert.equal(endpointOf('https://:tk_1@example.org/ntfy/topic'), 'https://:tk_1@example.org/ntfy/');
    assert.equal(endpointOf('https://ntfy.sh/topic?auth=QQ'), 'https://ntfy.sh/?auth=QQ');
  });

  test('a URL without a topic is a mistake', () => {
    for (const url of [
      'https://ntfy.sh',
      'https://ntfy.sh/topic/',
      'https://ntfy.sh/a%20b',
      `https://ntfy.sh/${'x'.repeat(65)}`,
    ]) {
      const { secrets, errors } = parseSecrets({ NTFY_URL: url });
      assert.equal(secrets.ntfy, null, url);
      assert.deepEqual(errors, [
        'NTFY_URL is not shown here: expected an http or https URL with a topic of letters, digits, "-" and "_" at the end of its path, such as https://ntfy.sh/TOPIC',
      ]);
    }
    assert.deepEqual(parseSecrets({ NTFY_URL: 'https://:tk_1@ntfy.sh/my_topic-1' }).errors, []);
  });
});
