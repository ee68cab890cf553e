import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { teamsBody } from '../../../../src/alerting/channels/teams.ts';
import { parseSecrets } from '../../../../src/config/secrets.ts';
import { flood, message, notification } from '../../../support/alerting/notification-samples.ts';

const bold = (text: string) => ({ type: 'TextRun', text, weight: 'Bolder' });
const paragraph = (...inlines: readonly object[]) => ({ type: 'RichTextBlock', inlines });

const cardOf = (body: ReturnType<typeof teamsBody>) => {
  const [attachment = assert.fail('no attachment')] = body.attachments;
  return attachment.content;
};

describe('Teams', () => {
  test('a notification is a card with a container in the colour of its severity, and the id in its last line', () => {
    assert.deepEqual(teamsBody(message(notification())), {
      type: 'message',
      attachments: [
        {
          contentType: 'application/vnd.microsoft.card.adaptive',
          contentUrl: null,
          content: {
            $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
            type: 'AdaptiveCard',
            version: '1.2',
            fallbackText:
              '🚨 Down on devbox: MCP Inspector Web UI (tcp-proxy-6274). Proxy for port 6274 has no upstream: localhost:6274 does not answer.',
            msteams: { width: 'Full' },
            body: [
              {
                type: 'Container',
                style: 'attention',
                items: [
                  paragraph({
                    type: 'TextRun',
                    text: '🚨 Down on devbox: MCP Inspector Web UI (tcp-proxy-6274)',
                    weight: 'Bolder',
                    size: 'Medium',
                  }),
                  paragraph({
                    type: 'TextRun',
                    text: 'Proxy for port 6274 has no upstream: localhost:6274 does not answer.',
                  }),
                  paragraph(bold('Since: '), { type: 'TextRun', text: '2026-11-27 04:04:06 UTC' }),
                  paragraph(bold('Why: '), { type: 'TextRun', text: 'connection refused' }),
                  paragraph(bold('Done: '), {
                    type: 'TextRun',
                    text: 'Nothing: a restart would not help.',
                  }),
                  paragraph(bold('To do: '), { type: 'TextRun', text: 'Start the application.' }),
                ],
              },
              paragraph({
                type: 'TextRun',
                text: '2026-11-27 04:05:06 UTC  steadyport m-1',
                size: 'Small',
                isSubtle: true,
              }),
            ],
          },
        },
      ],
    });
  });

  test('each severity has its colour, the gravest first', () => {
    const severities = (['info', 'critical', 'warning'] as const).map((severity) =>
      notification({ severity }),
    );
    const styles = cardOf(teamsBody(message(...severities))).body.map((part) =>
      'style' in part ? part.style : null,
    );
    assert.deepEqual(styles, ['attention', 'warning', 'good', null]);
  });

  test('sixty ports at once are within the size, and it is said how many more', () => {
    const text = JSON.stringify(teamsBody(flood));
    assert.ok(Buffer.byteLength(text) <= 21_000, `${Buffer.byteLength(text)}`);
    assert.match(text, /… and \d+ more: tcp-proxy-2\d{4}, /);
    assert.match(text, /steadyport m-1/);
  });

  test('the longest texts of one port are shown, and within the size', () => {
    for (const character of ['a', '"', '😀', '€', '\u0001', '\ud800']) {
      const long = character.repeat(5_000);
      const texts = { label: long, summary: long, reason: long, actionTaken: long, nextStep: long };
      const body = teamsBody(message(notification({ ...texts, proxy: long })));
      assert.ok(Buffer.byteLength(JSON.stringify(body)) <= 21_000, character);
      assert.equal(cardOf(body).body[0]?.type, 'Container', character);
    }
  });
});

test('the URL of a retired connector is refused with what to do', () => {
  for (const url of [
    'https://contoso.webhook.office.com/webhookb2/hidden',
    'https://outlook.office.com/webhook/hidden',
    'https://outlook.office365.com/webhook/hidden',
  ]) {
    const { secrets, errors } = parseSecrets({ TEAMS_WEBHOOK_URL: url });
    assert.equal(secrets.teams, null);
    assert.match(
      errors.join(),
      /^TEAMS_WEBHOOK_URL is not shown here: expected the URL of a workflow, since Microsoft has retired the connectors of webhook\.office\.com: in Teams, add a workflow /,
    );
    assert.doesNotMatch(errors.join(), /hidden/);
  }
  for (const url of [
    'https://prod-1.westeurope.logic.azure.com:443/workflows/x/triggers/manual/paths/invoke?sig=y',
    'https://default1.2.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/x/triggers/manual/paths/invoke?sig=y',
  ])
    assert.deepEqual(parseSecrets({ TEAMS_WEBHOOK_URL: url }).errors, []);
});
