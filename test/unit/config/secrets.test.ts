import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { DOT_ENV_VARIABLES } from '../../../src/config/load-secrets.ts';
import { configuredSecrets, misplacedSecrets, parseSecrets } from '../../../src/config/secrets.ts';

const URL_TEXT = 'https://hooks.example/T0/hidden';

test('a secret shows itself to the one who asks for it, and to nobody else', () => {
  const { secrets } = parseSecrets({ SLACK_WEBHOOK_URL: URL_TEXT });
  const { slack } = secrets;
  assert.equal(slack?.reveal(), URL_TEXT);
  for (const text of [
    String(slack),
    `${slack}`,
    JSON.stringify({ slack }),
    inspect({ slack }),
    inspect(slack),
  ])
    assert.ok(text.includes('[secret]') && !text.includes('hidden'), text);
  assert.deepEqual(Object.entries(slack ?? {}), []);
});

test('what is not set, or empty, is none', () => {
  const { secrets, errors } = parseSecrets({ SLACK_WEBHOOK_URL: '', HEARTBEAT_URL: URL_TEXT });
  assert.deepEqual([configuredSecrets(secrets), errors], [['heartbeat'], []]);
});

describe('what is no http URL is a mistake, told by its name and without its value', () => {
  for (const value of [
    'hooks.example/hidden',
    'ftp://h/hidden',
    'slack',
    'http://',
    'https//hidden',
    'file:///hidden',
  ])
    test(value, () => {
      const { secrets, errors } = parseSecrets({ WEBHOOK_URL: value });
      assert.deepEqual(errors, [
        'WEBHOOK_URL is not shown here: expected an http or https URL, such as https://example.org/alerts',
      ]);
      assert.equal(secrets.webhook, null);
    });
});

describe('a list with a part that cannot be used is a mistake as a whole', () => {
  const table: readonly [value: string, expected: string][] = [
    ['http://a:9093,hidden', 'an http or https URL in each part of the list'],
    ['hidden', 'an http or https URL'],
    [' , ', 'at least one value'],
    ['http://hidden:9093,http://b:9093 http://HIDDEN:9093/', 'each address once'],
  ];
  for (const [value, expected] of table)
    test(JSON.stringify(value), () => {
      const { secrets, errors } = parseSecrets({ ALERTMANAGER_URL: value });
      assert.equal(secrets.alertmanager, null);
      assert.deepEqual(errors, [
        `ALERTMANAGER_URL is not shown here: expected ${expected}, such as http://localhost:9093`,
      ]);
    });
});

test('those that stand in the environment are found by name', () => {
  assert.deepEqual(misplacedSecrets({ PATH: '/bin', DISCORD_WEBHOOK_URL: URL_TEXT, HEARTBEAT_URL: '' }), [
    'DISCORD_WEBHOOK_URL',
  ]);
});

test('.env.example names every variable, none of them set', () => {
  const lines = readFileSync(join(process.cwd(), '.env.example'), 'utf8').split('\n');
  for (const name of DOT_ENV_VARIABLES)
    assert.ok(
      lines.some((line) => line.startsWith(`# ${name}=`)),
      name,
    );
  assert.ok(lines.every((line) => line === '' || line.startsWith('#')));
});
