import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createChannels } from '../../../../src/alerting/channels/registry.ts';
import { parseSecrets } from '../../../../src/config/secrets.ts';
import { CHANNELS } from '../../../../src/kinds/channels/registry.ts';

test('each name and each variable is there once', () => {
  for (const key of ['name', 'variable'] as const)
    assert.equal(new Set(CHANNELS.map((channel) => channel[key])).size, CHANNELS.length);
});

test('a message has the address of the page at the time when it is sent', async () => {
  const asked: (string | null)[] = [];
  let pageUrl: string | null = null;
  const { secrets } = parseSecrets({ ALERT_COMMAND: '/nowhere/program' });
  const [channel = assert.fail('no channel')] = createChannels(secrets, () => {
    asked.push(pageUrl);
    return pageUrl;
  }).eventChannels;
  const message = { id: 'x', createdAt: 0, notifications: [] };
  await channel.send(message, new AbortController().signal);
  pageUrl = 'http://127.0.0.1:6270';
  await channel.send(message, new AbortController().signal);
  assert.deepEqual(asked, [null, pageUrl]);
});

test('each example can be used, and a channel is created for each, in the order of the list', () => {
  const variables = Object.fromEntries(
    CHANNELS.map(({ variable, example }) => [variable, example.replaceAll('…', 'x')]),
  );
  const { secrets, errors } = parseSecrets(variables);
  assert.deepEqual(errors, []);
  const { eventChannels, stateChannels } = createChannels(secrets);
  assert.deepEqual(
    [...eventChannels, ...stateChannels].map(({ name }) => name),
    CHANNELS.map(({ name }) => name),
  );
  assert.deepEqual(createChannels(parseSecrets({}).secrets), { eventChannels: [], stateChannels: [] });
});

test('each address of ALERTMANAGER_URL is a channel of its own, and the first keeps its name', () => {
  const { secrets } = parseSecrets({ ALERTMANAGER_URL: ' http://a:9093, http://b:9093\thttps://c/am,' });
  assert.deepEqual(
    createChannels(secrets).stateChannels.map(({ name }) => name),
    ['alertmanager', 'alertmanager-2', 'alertmanager-3'],
  );
});
