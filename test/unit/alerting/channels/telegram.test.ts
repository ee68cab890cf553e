import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { telegramBody } from '../../../../src/alerting/channels/telegram.ts';
import { parseSecrets } from '../../../../src/config/secrets.ts';
import { flood, message, notification } from '../../../support/alerting/notification-samples.ts';

const URL_TEXT = 'https://api.telegram.org/bot123:AbC-_d/sendMessage';
const context = { url: new URL(`${URL_TEXT}?chat_id=-1001234567890&message_thread_id=42`) };

describe('Telegram', () => {
  test("a notification is HTML with the id at its end, and the URL's parameters go with it", () => {
    assert.deepEqual(telegramBody(message(notification()), context), {
      chat_id: '-1001234567890',
      message_thread_id: '42',
      text: [
        '<b>🚨 Down on devbox: MCP Inspector Web UI (tcp-proxy-6274)</b>',
        'Proxy for port 6274 has no upstream: localhost:6274 does not answer.',
        '<b>Since:</b> 2026-11-27 04:04:06 UTC',
        '<b>Why:</b> connection refused',
        '<b>Done:</b> Nothing: a restart would not help.',
        '<b>To do:</b> Start the application.',
        '',
        '<code>steadyport m-1</code>',
      ].join('\n'),
      parse_mode: 'HTML',
      link_preview_options: { is_disabled: true },
    });
  });

  test('the text and its format are never those of the URL', () => {
    const url = new URL(`${URL_TEXT}?chat_id=1&text=x&parse_mode=Markdown`);
    const body = telegramBody(message(notification()), { url });
    assert.equal(body.parse_mode, 'HTML');
    assert.match(body.text, /^<b>🚨 Down/);
  });

  test('what comes from outside is no markup and mentions nobody', () => {
    const { text } = telegramBody(message(notification({ reason: '<b>@admin</b> & co' })), context);
    assert.ok(text.includes('<b>Why:</b> &lt;b&gt;@\u2060admin&lt;/b&gt; &amp; co'), text);
    assert.doesNotMatch(text, /@\w/);
  });

  test('sixty ports at once are within 4,096 characters, and it is said how many more', () => {
    const { text } = telegramBody(flood, context);
    assert.ok(text.length <= 4_096, `${text.length}`);
    assert.match(text, /… and \d+ more: tcp-proxy-2\d{4}, /);
    assert.match(text, /<code>steadyport m-1<\/code>$/);
    assert.doesNotMatch(text, /&(?!amp;|lt;|gt;)/);
  });

  test('the longest texts of one port are within 4,096 characters', () => {
    for (const character of ['a', '<', '&', '@', '😀']) {
      const long = character.repeat(5_000);
      const texts = { label: long, summary: long, reason: long, actionTaken: long, nextStep: long };
      const { text } = telegramBody(message(notification(texts)), context);
      assert.ok(text.length <= 4_096, `${character}: ${text.length}`);
      assert.match(text, /^<b>🚨 Down on devbox: /, character);
    }
  });

  test('several ports are parted by an empty line', () => {
    const { text } = telegramBody(
      message(notification(), notification({ kind: 'recovered', severity: 'info', proxy: 'tcp-proxy-1' })),
      context,
    );
    assert.equal(text.split('\n\n').length, 3);
  });
});

describe('a TELEGRAM_URL that cannot be used is reported without its value', () => {
  const path = "an http or https URL with a bot's token and the method sendMessage in its path";
  const chat = 'a chat_id in its query, which is a number or @name';
  const table: readonly [value: string, expected: string][] = [
    ['123:AbC', path],
    ['https://api.telegram.org/bot123:AbC?chat_id=1', path],
    ['https://api.telegram.org/123:AbC/sendMessage?chat_id=1', path],
    ['https://api.telegram.org/bot/sendMessage?chat_id=1', path],
    [URL_TEXT, chat],
    [`${URL_TEXT}?chat_id=my group`, chat],
    [`${URL_TEXT}?chat_id=1&message_thread_id=general`, 'a message_thread_id that is the number of a topic'],
  ];
  for (const [value, expected] of table)
    test(value, () => {
      const { secrets, errors } = parseSecrets({ TELEGRAM_URL: value });
      assert.equal(secrets.telegram, null);
      assert.deepEqual(errors, [
        `TELEGRAM_URL is not shown here: expected ${expected}, such as https://api.telegram.org/bot123456:TOKEN/sendMessage?chat_id=-1001234567890`,
      ]);
    });
  test('a chat by its number, a channel by its name, and a server of your own can be used', () => {
    for (const value of [
      `${URL_TEXT}?chat_id=-100123`,
      `${URL_TEXT}?chat_id=@my_channel&disable_notification=true`,
      'http://bots.example:8081/bot1:x/sendMessage?chat_id=1&message_thread_id=7',
    ])
      assert.deepEqual(parseSecrets({ TELEGRAM_URL: value }).errors, [], value);
  });
});
