import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createChannels } from '../../../src/alerting/channels/registry.ts';
import type { Delivery } from '../../../src/alerting/delivery.ts';
import { parseSecrets } from '../../../src/config/secrets.ts';
import { answer, openReceiver } from '../../support/alerting/http-receiver.ts';
import { message, notification } from '../../support/alerting/notification-samples.ts';

const send = (url: string): Promise<Delivery> => {
  const { secrets } = parseSecrets({ NTFY_URL: url });
  const [channel = assert.fail('no channel')] = createChannels(secrets).eventChannels;
  return channel.send(message(notification()), new AbortController().signal);
};

test("ntfy gets JSON at the server's root, and the token of the URL as the password of an empty user", async () => {
  const receiver = await openReceiver(answer(200, '{"id":"x"}'));
  assert.deepEqual(await send(`${receiver.url.replace('//', '//:tk_secret@')}/my-topic`), { ok: true });
  const [request = assert.fail('nothing came')] = receiver.received;
  assert.deepEqual([request.method, request.path], ['POST', '/']);
  assert.equal(request.headers['content-type'], 'application/json');
  // https://docs.ntfy.sh/publish/#access-tokens
  assert.equal(request.headers.authorization, `Basic ${Buffer.from(':tk_secret').toString('base64')}`);
  assert.equal((request.json as { topic: string }).topic, 'my-topic');
});

test("ntfy's refusal is reported by its own words, and never with the topic", async () => {
  const receiver = await openReceiver(
    answer(403, '{"code":40301,"http":403,"error":"forbidden","link":"https://ntfy.sh/docs/"}'),
  );
  const refused = { ok: false, retryAfterMs: null, isFinal: false };
  assert.deepEqual(await send(`${receiver.url}/my-topic`), { ...refused, problem: 'HTTP 403: forbidden' });
  receiver.behave = answer(403, '{"error":"no access to my-topic"}');
  assert.deepEqual(await send(`${receiver.url}/my-topic`), { ...refused, problem: 'HTTP 403' });
});
