import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  answer,
  discordOk,
  openReceiver,
  type Receiver,
  slackOk,
} from '../../support/alerting/http-receiver.ts';
import { steadyport } from '../../support/cli.ts';
import { tempFolder } from '../../support/temp-dir.ts';

/** Runs `alert-test` with this text in its `.env`. */
const alertTest = (dotEnv: string, env: Readonly<Record<string, string>> = {}) => {
  const folder = tempFolder();
  const config = join(folder, 'steadyport.json');
  writeFileSync(config, JSON.stringify({ proxies: [{ listen: '6274', upstream: 'localhost:6274' }] }));
  const file = join(folder, '.env');
  writeFileSync(file, dotEnv);
  chmodSync(file, 0o600);
  const run = steadyport(['alert-test'], { STEADYPORT_CONFIG: config, HOME: folder, ...env });
  return run.then((outcome) => ({ ...outcome, stderr: outcome.stderr.replaceAll(file, 'FILE') }));
};

const bodyOf = ({ received }: Receiver) => received.map(({ path, text }) => ({ path, text }));

test('each channel gets a test message, and the heartbeat URL none', async () => {
  const slack = await openReceiver(slackOk);
  const discord = await openReceiver(discordOk);
  const webhook = await openReceiver(answer(202));
  const alertmanager = await openReceiver(answer(200));
  const heartbeat = await openReceiver(answer(200));
  const { code, stdout, stderr } = await alertTest(
    [
      `SLACK_WEBHOOK_URL=${slack.url}/s`,
      `DISCORD_WEBHOOK_URL=${discord.url}/d`,
      `WEBHOOK_URL=${webhook.url}/w`,
      `ALERTMANAGER_URL=${alertmanager.url}/prefix/`,
      `HEARTBEAT_URL=${heartbeat.url}/h`,
    ].join('\n'),
  );
  assert.deepEqual(
    [code, stdout, stderr],
    [0, 'slack: sent\ndiscord: sent\nwebhook: sent\nalertmanager: sent\n', ''],
  );
  for (const [receiver, path] of [
    [slack, '/s'],
    [discord, '/d'],
    [webhook, '/w'],
    [alertmanager, '/prefix/api/v2/alerts'],
  ] as const) {
    const [first, ...further] = bodyOf(receiver);
    assert.deepEqual([first?.path, further], [path, []]);
    assert.match(first?.text ?? '', /This is a test of the alerts of steadyport/);
  }
  type Alerts = [{ startsAt: string; endsAt: string; labels: object }];
  const [alert] = (alertmanager.received[0]?.json ?? []) as Alerts;
  assert.deepEqual(alert.labels, { alertname: 'SteadyportTest', proxy: 'proxy-monitor', severity: 'info' });
  assert.equal(Date.parse(alert.endsAt) - Date.parse(alert.startsAt), 60_000);
  assert.deepEqual(heartbeat.received, []);
});

test('a channel that refuses the message is reported without its URL, and the others get it', async () => {
  const slack = await openReceiver(answer(404, 'no_service'));
  const discord = await openReceiver(discordOk);
  const { code, stdout, stderr } = await alertTest(
    `SLACK_WEBHOOK_URL=${slack.url}/hidden\nDISCORD_WEBHOOK_URL=${discord.url}/hidden\n`,
  );
  assert.deepEqual([code, stdout, stderr], [1, 'slack: HTTP 404: no_service\ndiscord: sent\n', '']);
});

test('without a channel it says what to write where, also when only the heartbeat is set', async () => {
  assert.deepEqual(await alertTest('HEARTBEAT_URL=http://127.0.0.1:1/\n'), {
    code: 2,
    stdout: '',
    stderr:
      'steadyport: no channel for alerts; write one into FILE: SLACK_WEBHOOK_URL, DISCORD_WEBHOOK_URL, TEAMS_WEBHOOK_URL, TELEGRAM_URL, NTFY_URL, EMAIL_URL, WEBHOOK_URL or ALERTMANAGER_URL\n',
  });
});

test('an invalid URL is reported by its name, and nothing is sent', async () => {
  const slack = await openReceiver(slackOk);
  const { code, stderr } = await alertTest(`SLACK_WEBHOOK_URL=${slack.url}\nDISCORD_WEBHOOK_URL=hidden\n`);
  assert.deepEqual(
    [code, stderr, slack.received],
    [
      2,
      'steadyport: FILE: DISCORD_WEBHOOK_URL is not shown here: expected an http or https URL, such as https://discord.com/api/webhooks/…/…\n',
      [],
    ],
  );
});

test('a URL in the environment is not used, and a warning says why', async () => {
  const inFile = await openReceiver(slackOk);
  const inEnvironment = await openReceiver(slackOk);
  const { code, stderr } = await alertTest(`WEBHOOK_URL=${inFile.url}\n`, {
    SLACK_WEBHOOK_URL: `${inEnvironment.url}/hidden`,
  });
  assert.deepEqual(
    [code, stderr, inEnvironment.received],
    [
      0,
      'steadyport: SLACK_WEBHOOK_URL is not read from the environment, which PM2 shows in its list; write it into FILE\n',
      [],
    ],
  );
});
