import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emailOf } from '../../../../src/alerting/channels/email.ts';
import { SENDERS } from '../../../../src/alerting/channels/registry.ts';
import { webhookBody } from '../../../../src/alerting/channels/webhook.ts';
import type { Message } from '../../../../src/alerting/policy/notification.ts';
import { CHANNELS, type ChannelName } from '../../../../src/kinds/channels/registry.ts';
import { AT_MS, flood, message, notification } from '../../../support/alerting/notification-samples.ts';

/**
 * The longest JSON that each receiver takes, in characters; null: it takes every port. The limits of its parts, and their
 * sources, are in the channel's own file and test. A channel without an entry does not compile.
 */
const MAX_CHARACTERS: Readonly<Record<ChannelName, number | null>> = {
  slack: 14_000,
  discord: 9_000,
  teams: 21_000,
  telegram: 4_500,
  ntfy: 8_192,
  email: null,
  webhook: null,
  command: null,
  alertmanager: null,
};

/** The content of the channels that are not HTTP. */
const DIRECT: Readonly<Partial<Record<ChannelName, (message: Message) => unknown>>> = {
  email: (content) => emailOf(content, { from: 'a@example.org', to: ['b@example.org'] }),
  command: (content) => webhookBody(content, null),
};

/** The channels that send a notification as data, without a title. */
const DATA_ONLY: readonly ChannelName[] = ['webhook', 'command', 'alertmanager'];

/** What the channel sends, as JSON. */
const sentBy = (name: ChannelName, content: Message): string => {
  const sender = SENDERS[name];
  const context = { url: new URL('https://example.org/topic'), pageUrl: null, now: AT_MS };
  if ('deliver' in sender)
    return JSON.stringify(DIRECT[name]?.(content) ?? assert.fail(`${name} has no entry in DIRECT`));
  if (sender.delivers === 'events') return JSON.stringify(sender.toRequest(content, context).body);
  const alerts = content.notifications.map((about) => ({
    notification: about,
    startsAt: about.startedAt,
    endsAt: about.endedAt,
  }));
  return JSON.stringify(sender.toRequest(alerts, context).body);
};

for (const { name } of CHANNELS) {
  test(`${name}: a notification says which port, what is wrong, why, what was done and what to do`, () => {
    const { proxy, label, summary, reason, actionTaken, nextStep } = notification();
    const sent = sentBy(name, message(notification()));
    const missing = [proxy, label, summary, reason, actionTaken, nextStep].filter(
      (part) => !sent.includes(`${part}`),
    );
    assert.deepEqual(missing, []);
    assert.ok(SENDERS[name].delivers === 'state' || sent.includes('m-1'), `without its id: ${sent}`);
  });

  test(`${name}: a long label does not hide which port it is, nor what is wrong`, () => {
    const about = notification({ label: '<検査官> & *x* '.repeat(200), host: 'h'.repeat(60) });
    const sent = sentBy(name, message(about));
    assert.ok(sent.includes(about.summary), sent);
    const titles = sent.match(/🚨 Down on [^"]*?\(tcp\S*?6274\)/g) ?? [];
    if (!DATA_ONLY.includes(name)) assert.notEqual(titles.length, 0, sent);
  });

  test(`${name}: sixty ports with long texts are what the receiver takes, or it is said how many more`, () => {
    const max = MAX_CHARACTERS[name];
    assert.notEqual(max, undefined, `${name} has no entry in MAX_CHARACTERS`);
    if (max === null) {
      const named = flood.notifications.map((about) => ({ ...about, label: about.proxy }));
      const sent = sentBy(name, message(...named));
      assert.deepEqual(
        named.filter(({ proxy }) => !sent.includes(proxy)),
        [],
      );
    } else {
      const sent = sentBy(name, flood);
      assert.ok(sent.length <= max, `${sent.length} characters`);
      assert.match(sent, /… and \d+ more: tcp-proxy-2\d{4}, /);
    }
  });
}
