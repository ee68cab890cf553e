import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createChannels } from '../../../src/alerting/channels/registry.ts';
import type { Delivery } from '../../../src/alerting/delivery.ts';
import { parseSecrets } from '../../../src/config/secrets.ts';
import {
  answer,
  type Behaviour,
  closeInTheMiddle,
  closeWithoutAnswer,
  hang,
  openReceiver,
} from '../../support/alerting/http-receiver.ts';
import { message, notification } from '../../support/alerting/notification-samples.ts';

const send = (variables: Readonly<Record<string, string>>, signal = new AbortController().signal) => {
  const { secrets, errors } = parseSecrets(variables);
  assert.deepEqual(errors, []);
  const [channel = assert.fail('no channel')] = createChannels(secrets).eventChannels;
  return channel.send(message(notification()), signal);
};

const failed = (problem: string, over: { retryAfterMs?: number; isFinal?: boolean } = {}): Delivery => ({
  ok: false,
  problem,
  retryAfterMs: null,
  isFinal: false,
  ...over,
});

interface Receiving {
  readonly path: string;
  readonly expectedPath: string;
  variables(url: string): Readonly<Record<string, string>>;
}

const PATHS: Readonly<Record<'telegram' | 'teams', Receiving>> = {
  telegram: {
    path: '/bot123456:hidden-token/sendMessage?chat_id=-1001234567&message_thread_id=7',
    expectedPath: '/bot123456:hidden-token/sendMessage',
    variables: (url) => ({ TELEGRAM_URL: url }),
  },
  teams: {
    path: '/workflows/hidden/triggers/manual/paths/invoke?api-version=1&sig=hidden-sig',
    expectedPath: '/workflows/hidden/triggers/manual/paths/invoke?api-version=1&sig=hidden-sig',
    variables: (url) => ({ TEAMS_WEBHOOK_URL: url }),
  },
};

/** https://core.telegram.org/bots/api#making-requests */
const telegramError = (code: number, description: string, parameters?: object): Behaviour =>
  answer(code, JSON.stringify({ ok: false, error_code: code, description, parameters }));
const teamsError = (status: number, code: string, text: string): Behaviour =>
  answer(status, JSON.stringify({ error: { code, message: text } }));

type Row = readonly [title: string, behave: Behaviour, delivery: Delivery];

const ROWS: Readonly<Record<keyof typeof PATHS, readonly Row[]>> = {
  telegram: [
    ['ok', answer(200, '{"ok":true,"result":{"message_id":1}}'), { ok: true }],
    [
      'a flood limit',
      telegramError(429, 'Too Many Requests: retry after 35', { retry_after: 35 }),
      failed('HTTP 429: Too Many Requests: retry after 35', { retryAfterMs: 35_000 }),
    ],
    ['a wrong token', telegramError(401, 'Unauthorized'), failed('HTTP 401: Unauthorized')],
    [
      'a chat that is not found, which can be put right',
      telegramError(400, 'Bad Request: chat not found'),
      failed('HTTP 400: Bad Request: chat not found'),
    ],
    [
      'a group that has become a supergroup',
      telegramError(400, 'Bad Request: group chat was upgraded to a supergroup chat', {
        migrate_to_chat_id: -1001,
      }),
      failed('HTTP 400: Bad Request: group chat was upgraded to a supergroup chat'),
    ],
    [
      'a bot that was thrown out',
      telegramError(403, 'Forbidden: bot was kicked from the supergroup chat'),
      failed('HTTP 403: Forbidden: bot was kicked from the supergroup chat'),
    ],
    [
      'a text that is not understood',
      telegramError(400, "Bad Request: can't parse entities: Unsupported start tag"),
      failed("HTTP 400: Bad Request: can't parse entities: Unsupported start tag", { isFinal: true }),
    ],
    [
      'a text that is too long',
      telegramError(400, 'Bad Request: message is too long'),
      failed('HTTP 400: Bad Request: message is too long', { isFinal: true }),
    ],
    ['an answer with the token', telegramError(404, 'no bot hidden-token'), failed('HTTP 404')],
    ['an answer with the chat', telegramError(403, 'not in -1001234567'), failed('HTTP 403')],
    ['a gateway', answer(502, '<html>Bad Gateway</html>'), failed('HTTP 502')],
    ['a cut', closeWithoutAnswer, failed('connection closed before the answer')],
    ['an ok that breaks off', closeInTheMiddle(200), { ok: true }],
  ],
  teams: [
    ['accepted', answer(202), { ok: true }],
    [
      'too many requests',
      answer(429, '{"error":{"code":"WorkflowRunActionRateLimited","message":"Rate limit"}}', {
        'retry-after': '20',
      }),
      failed('HTTP 429: Rate limit', { retryAfterMs: 20_000 }),
    ],
    [
      'a workflow that is gone, whose message has its id and whose code has not',
      teamsError(404, 'WorkflowNotFound', "The workflow 'hidden' could not be found."),
      failed('HTTP 404: WorkflowNotFound'),
    ],
    [
      'a workflow that is turned off, which can be turned on',
      teamsError(400, 'WorkflowTriggerIsNotEnabled', "Could not execute workflow 'hidden'."),
      failed('HTTP 400: WorkflowTriggerIsNotEnabled'),
    ],
    [
      'a body that does not fit the trigger',
      teamsError(400, 'TriggerInputSchemaMismatch', 'The input does not match the schema.'),
      failed('HTTP 400: The input does not match the schema.', { isFinal: true }),
    ],
    ['a body that is too long', answer(413), failed('HTTP 413', { isFinal: true })],
    [
      'a wrong signature',
      teamsError(401, 'AuthorizationFailed', 'The sig hidden-sig is wrong'),
      failed('HTTP 401: AuthorizationFailed'),
    ],
    ['a cut', closeWithoutAnswer, failed('connection closed before the answer')],
    ['an error that breaks off', answer(503), failed('HTTP 503')],
  ],
};

for (const name of ['telegram', 'teams'] as const)
  describe(name, () => {
    const { path, expectedPath, variables } = PATHS[name];
    for (const [title, behave, delivery] of ROWS[name])
      test(title, async () => {
        const receiver = await openReceiver(behave);
        assert.deepEqual(await send(variables(receiver.url + path)), delivery);
        assert.deepEqual(
          receiver.received.map((request) => [request.method, request.path, request.headers['content-type']]),
          [['POST', expectedPath, 'application/json']],
        );
      });

    test('a server that hangs is given up when the monitor stops', async () => {
      const receiver = await openReceiver(hang);
      const abortController = new AbortController();
      const sending = send(variables(receiver.url + path), abortController.signal);
      await receiver.got(1);
      abortController.abort();
      assert.deepEqual(await sending, failed('given up, since the monitor stops'));
    });
  });

test("the chat and the topic are in Telegram's body, not in its URL", async () => {
  const receiver = await openReceiver(answer(200, '{"ok":true}'));
  await send({ TELEGRAM_URL: receiver.url + PATHS.telegram.path });
  const body = receiver.received[0]?.json as Record<string, unknown>;
  assert.deepEqual([body['chat_id'], body['message_thread_id']], ['-1001234567', '7']);
});
