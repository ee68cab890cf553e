import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createChannels } from '../../../../src/alerting/channels/registry.ts';
import { parseSecrets } from '../../../../src/config/secrets.ts';
import { CHANNELS } from '../../../../src/kinds/channels/registry.ts';

test('each name and each variable is there once', () => {
  for (const key of ['name', 'variable'] as const)
    assert.equal(new Set(CHANNELS.map((channel) => channel[key])).size, CHANNELS.length);
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
