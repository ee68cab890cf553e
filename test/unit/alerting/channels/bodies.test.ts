import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { discordBody } from '../../../../src/alerting/channels/discord.ts';
import { slackBody } from '../../../../src/alerting/channels/slack.ts';
import { escapeToFit } from '../../../../src/alerting/channels/text.ts';
import { webhookBody } from '../../../../src/alerting/channels/webhook.ts';
import { AT_MS, flood, message, notification } from '../../../support/alerting/notification-samples.ts';

const FROM = AT_MS / 1_000 - 60;

describe('Slack', () => {
  test('a notification is one section, and the id is at the end', () => {
    assert.deepEqual(slackBody(message(notification())), {
      text: '🚨 Down on devbox: MCP Inspector Web UI (tcp-proxy-6274). Proxy for port 6274 has no upstream: localhost:6274 does not answer.',
      blocks: [
        {
          type: 'section',
          text: {
            type: 'mrkdwn',
            text: [
              '*🚨 Down on devbox: MCP Inspector Web UI (tcp-proxy-6274)*',
              'Proxy for port 6274 has no upstream: localhost:6274 does not answer.',
              `*Since:* <!date^${FROM}^{date_short_pretty} {time_secs}|2026-11-27 04:04:06 UTC> (2026-11-27 04:04:06 UTC)`,
              '*Why:* connection refused',
              '*Done:* Nothing: a restart would not help.',
              '*To do:* Start the application.',
            ].join('\n'),
          },
        },
        {
          type: 'context',
          elements: [
            {
              type: 'mrkdwn',
              text: `<!date^${AT_MS / 1_000}^{date_short_pretty} {time_secs}|2026-11-27 04:05:06 UTC> (2026-11-27 04:05:06 UTC)  steadyport m-1`,
            },
          ],
        },
      ],
    });
  });

  test('a label from the config mentions nobody', () => {
    const text = JSON.stringify(slackBody(message(notification({ label: '<!channel> & <@U1>' }))));
    assert.ok(text.includes('&lt;!channel&gt; &amp; &lt;@U1&gt;'), text);
    assert.ok(!text.includes('<!channel>') && !text.includes('<@U1>'), text);
  });

  test('sixty ports at once are within the limits, and it is said how many more', () => {
    const { text, blocks } = slackBody(flood);
    const texts = blocks.flatMap((block) => ('text' in block ? [block['text'] as { text: string }] : []));
    const whole = JSON.stringify(blocks);
    assert.ok(text.length <= 3_000 && blocks.length <= 50 && whole.length < 13_000, `${whole.length}`);
    for (const { text: section } of texts) assert.ok(section.length <= 3_000 && section.length > 0);
    assert.match(whole, /… and \d+ more: tcp-proxy-2\d{4}, /);
    assert.match(whole, /m-1/);
    assert.doesNotMatch(whole, /&(?!amp;|lt;|gt;)/);
  });

  test('short notifications of forty ports are all shown', () => {
    const short = { summary: 'It is gone.', reason: null, actionTaken: null, nextStep: null, label: '' };
    const notifications = Array.from({ length: 40 }, (_, index) =>
      notification({ ...short, proxy: `tcp-proxy-${index}` }),
    );
    const { blocks } = slackBody(message(...notifications));
    assert.equal(blocks.length, 41);
  });
});

describe('Discord', () => {
  test('a notification is one embed, the id is in its footer, and nobody is mentioned', () => {
    assert.deepEqual(
      discordBody(
        message(
          notification({ kind: 'recovered', severity: 'info', endedAt: AT_MS, nextStep: null, label: '*a*' }),
        ),
      ),
      {
        content:
          '✅ Up again on devbox: \\*a\\* (tcp-proxy-6274). Proxy for port 6274 has no upstream: localhost:6274 does not answer.',
        embeds: [
          {
            title: '✅ Up again on devbox: \\*a\\* (tcp-proxy-6274)',
            description: 'Proxy for port 6274 has no upstream: localhost:6274 does not answer.',
            fields: [
              {
                name: 'From, to',
                value: `<t:${FROM}:F> (2026-11-27 04:04:06 UTC), <t:${FROM + 60}:F> (2026-11-27 04:05:06 UTC) (60.0 s)`,
              },
              { name: 'Why', value: 'connection refused' },
              { name: 'Done', value: 'Nothing: a restart would not help.' },
            ],
            color: 0x2f8f4f,
            timestamp: '2026-11-27T04:05:06.000Z',
            footer: { text: 'steadyport m-1' },
          },
        ],
        allowed_mentions: { parse: [] },
      },
    );
  });

  test('a part without a text has no field: the message would be refused', () => {
    const { embeds } = discordBody(message(notification({ reason: '', actionTaken: ' \n', nextStep: null })));
    assert.deepEqual(
      embeds[0]?.fields.map(({ name }) => name),
      ['Since'],
    );
  });

  test('sixty ports at once are within the limits, and it is said how many more', () => {
    const { content, embeds } = discordBody(flood);
    assert.ok(content.length <= 2_000 && embeds.length <= 10 && embeds.length > 0);
    let total = 0;
    for (const { title, description, fields, footer } of embeds) {
      assert.ok(title.length <= 256 && description.length <= 4_096 && fields.length <= 25);
      for (const { name, value } of fields) {
        assert.ok(name.length <= 256 && value.length <= 1_024 && value.length > 0);
        total += name.length + value.length;
      }
      total += title.length + description.length + footer.text.length;
    }
    assert.ok(total <= 6_000, `${total}`);
    assert.match(content, /… and \d+ more: tcp-proxy-2\d{4}, /);
  });
});

test('the gravest are shown when not all are', () => {
  const others = Array.from({ length: 30 }, () => notification({ severity: 'info', kind: 'steady' }));
  const { embeds } = discordBody(message(...others, notification({ proxy: 'tcp-proxy-1' })));
  assert.match(embeds[0]?.title ?? '', /tcp-proxy-1\)/);
});

test('the headline groups several ports by what happened to them', () => {
  const first = notification({ proxy: 'tcp-proxy-1' });
  const second = notification({ proxy: 'tcp-proxy-2' });
  const recovered = notification({ kind: 'recovered', proxy: 'tcp-proxy-3' });
  const { text } = slackBody(message(first, recovered, second));
  assert.equal(text, '🚨 Down on devbox: tcp-proxy-1, tcp-proxy-2; ✅ Up again on devbox: tcp-proxy-3');
});

describe('the webhook', () => {
  test("has Alertmanager's form, and the id at its top", () => {
    const down = notification();
    const labels = {
      alertname: 'SteadyportDown',
      proxy: 'tcp-proxy-6274',
      host: 'devbox',
      severity: 'critical',
    };
    const annotations = {
      summary: down.summary,
      description: [down.summary, down.reason, down.actionTaken, down.nextStep].join('\n'),
      label: 'MCP Inspector Web UI',
      cause: 'upstream_down',
      why: 'connection refused',
      done: 'Nothing: a restart would not help.',
      todo: 'Start the application.',
      kind: 'down',
    };
    const { alerts, ...rest } = webhookBody(message(down), 'http://127.0.0.1:6270');
    assert.deepEqual(rest, {
      version: '4',
      id: 'm-1',
      groupKey: 'steadyport:m-1',
      truncatedAlerts: 0,
      status: 'firing',
      receiver: 'steadyport',
      groupLabels: {},
      commonLabels: labels,
      commonAnnotations: annotations,
      externalURL: 'http://127.0.0.1:6270',
    });
    assert.deepEqual(
      alerts.map(({ fingerprint: _, ...alert }) => alert),
      [
        {
          status: 'firing',
          labels,
          annotations,
          startsAt: '2026-11-27T04:04:06.000Z',
          endsAt: '0001-01-01T00:00:00Z',
          generatorURL: 'http://127.0.0.1:6270',
        },
      ],
    );
  });

  test('what goes down and comes up again has one fingerprint, another port has another', () => {
    const up = notification({ kind: 'recovered', severity: 'info', cause: null, endedAt: AT_MS });
    const { alerts, status, commonLabels } = webhookBody(
      message(notification(), up, notification({ proxy: 'x' })),
      null,
    );
    const prints = alerts.map(({ fingerprint }) => fingerprint);
    assert.equal(prints[0], prints[1]);
    assert.notEqual(prints[0], prints[2]);
    assert.match(prints[0] ?? '', /^[0-9a-f]{16}$/);
    assert.deepEqual(
      alerts.map((alert) => [alert.status, alert.endsAt]),
      [
        ['firing', '0001-01-01T00:00:00Z'],
        ['resolved', '2026-11-27T04:05:06.000Z'],
        ['firing', '0001-01-01T00:00:00Z'],
      ],
    );
    assert.equal(status, 'firing');
    assert.deepEqual(commonLabels, { alertname: 'SteadyportDown', host: 'devbox', severity: 'critical' });
    assert.equal(webhookBody(message(up), null).status, 'resolved');
  });

  test('a reminder is of the alert that goes on', () => {
    const [down, flapping] = (['critical', 'warning'] as const).map((severity) =>
      notification({ kind: 'reminder', severity }),
    );
    const { alerts } = webhookBody(
      message(
        notification(),
        down ?? notification(),
        notification({ kind: 'flapping' }),
        flapping ?? notification(),
      ),
      null,
    );
    const [downPrint, downReminderPrint, flappingPrint, flappingReminderPrint] = alerts.map(
      ({ fingerprint }) => fingerprint,
    );
    assert.deepEqual([downPrint, flappingPrint], [downReminderPrint, flappingReminderPrint]);
    assert.notEqual(downPrint, flappingPrint);
  });

  test('holds all sixty', () => assert.equal(webhookBody(flood, null).alerts.length, 60));
});

describe('a text that is cut', () => {
  const slack = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  test('keeps its escapes and code points whole, and never exceeds', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('&', '<', 'a', '😀', '\ud800', '\n') }),
        fc.nat(30),
        (text, max) => {
          const cut = escapeToFit(text, max + 1, { escape: slack });
          assert.ok(cut.length <= max + 1);
          assert.match(cut, /^(&amp;|&lt;|[^&<\p{Cs}\p{Cc}])*$/u);
          const clean = slack(text.replace(/\p{Cs}/gu, '\ufffd').replace(/\n+/g, ' '));
          assert.ok(clean === cut || (cut.endsWith('…') && clean.startsWith(cut.slice(0, -1))));
        },
      ),
    );
  });
});
