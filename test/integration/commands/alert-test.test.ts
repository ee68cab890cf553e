import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHANNELS } from '../../../src/kinds/channels/registry.ts';
import {
  answer,
  discordOk,
  openReceiver,
  type Receiver,
  slackOk,
} from '../../support/alerting/http-receiver.ts';
import { openMailReceiver } from '../../support/alerting/smtp-receiver.ts';
import { steadyport } from '../../support/cli.ts';
import { makeCertificate } from '../../support/programs/certificate.ts';
import { tempFolder } from '../../support/temp-dir.ts';

/** Runs a command with this text in its `.env`. */
const runWith = (dotEnv: string, command: string, env: Readonly<Record<string, string>> = {}) => {
  const folder = tempFolder();
  const config = join(folder, 'steadyport.json');
  writeFileSync(config, JSON.stringify({ proxies: [{ listen: '6274', upstream: 'localhost:6274' }] }));
  const file = join(folder, '.env');
  writeFileSync(file, dotEnv);
  chmodSync(file, 0o600);
  const run = steadyport([command], {
    STEADYPORT_CONFIG: config,
    STEADYPORT_PROJECT: 'default',
    HOME: folder,
    ...env,
  });
  return run.then((outcome) => ({ ...outcome, stderr: outcome.stderr.replaceAll(file, 'FILE') }));
};

const alertTest = (dotEnv: string, env: Readonly<Record<string, string>> = {}) =>
  runWith(dotEnv, 'alert-test', env);

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
  assert.deepEqual(alert.labels, {
    alertname: 'SteadyportTest',
    host: hostname(),
    proxy: 'proxy-monitor',
    severity: 'info',
  });
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
  const variables = CHANNELS.map(({ variable }) => variable);
  assert.deepEqual(await alertTest('HEARTBEAT_URL=http://127.0.0.1:1/\n'), {
    code: 2,
    stdout: '',
    stderr: `steadyport: no channel for alerts; write one into FILE: ${variables.slice(0, -1).join(', ')} or ${variables.at(-1)}\n`,
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

test('Telegram, Teams, a mail server with a certificate and a login, and a program get a test message', async () => {
  const folder = tempFolder();
  const tls = makeCertificate(folder);
  const login = { user: 'me', password: 'hidden-word' };
  const [upgraded, secure] = [
    await openMailReceiver({ tls, login }),
    await openMailReceiver({ tls, login, isSecure: true }),
  ];
  const telegram = await openReceiver(answer(200, '{"ok":true}'));
  const teams = await openReceiver(answer(202));
  const program = join(folder, 'program');
  writeFileSync(program, `#!/bin/sh\ncat > '${folder}/stdin'\n`, { mode: 0o755 });
  const query = 'from=a@example.org&to=b@example.org';
  const others = [
    `TELEGRAM_URL=${telegram.url}/bot1:x/sendMessage?chat_id=1`,
    `TEAMS_WEBHOOK_URL=${teams.url}/teams`,
    `ALERT_COMMAND=${program}`,
  ];
  // 0.0.0.0 reaches this machine and is no loopback address: there STARTTLS is required.
  for (const [email, receiver] of [
    [`smtp://me:hidden-word@0.0.0.0:${upgraded.port}/?${query}`, upgraded],
    [`smtps://me:hidden-word@127.0.0.1:${secure.port}/?${query}`, secure],
  ] as const) {
    assert.deepEqual(
      await alertTest([...others, `EMAIL_URL=${email}`].join('\n'), { NODE_EXTRA_CA_CERTS: tls.file }),
      { code: 0, stdout: 'teams: sent\ntelegram: sent\nemail: sent\ncommand: sent\n', stderr: '' },
    );
    const [mail = assert.fail('no mail')] = receiver.received;
    assert.deepEqual([mail.user, mail.isEncrypted], ['me', true]);
    assert.match(mail.source, /This is a test of the alerts of steadyport/);
  }
  assert.equal(
    JSON.parse(readFileSync(join(folder, 'stdin'), 'utf8')).alerts[0].labels.alertname,
    'SteadyportTest',
  );
  assert.deepEqual([telegram.received.length, teams.received.length], [2, 2]);
});

test('a program that cannot be run is a mistake, told with its path and what would be right, and nothing is sent', async () => {
  const slack = await openReceiver(slackOk);
  const folder = tempFolder();
  const plain = join(folder, 'plain');
  writeFileSync(plain, '#!/bin/sh\n', { mode: 0o644 });
  const example = 'such as /usr/local/bin/on-alert';
  for (const [value, problem] of [
    ['on-alert', `expected the absolute path of a program, without arguments, ${example}`],
    [`${folder}/none`, 'expected a program that can be executed; there is no such file'],
    [folder, 'expected a program that can be executed; it is no file'],
    [plain, `expected a program that can be executed; this user may not execute it: chmod +x ${plain}`],
  ] as const) {
    const dotEnv = `SLACK_WEBHOOK_URL=${slack.url}\nALERT_COMMAND=${value}\n`;
    const expected = {
      code: 2,
      stdout: '',
      stderr: `steadyport: FILE: ALERT_COMMAND is "${value}": ${problem}\n`,
    };
    assert.deepEqual(await alertTest(dotEnv), expected);
    assert.deepEqual(await runWith(dotEnv, 'check-config'), expected);
  }
  assert.deepEqual(slack.received, []);
});

test('nodemailer is loaded for e-mail alone', async () => {
  const folder = tempFolder();
  const preload = join(folder, 'preload.cjs');
  writeFileSync(
    preload,
    `const Module = require('node:module');
    const load = Module._load;
    Module._load = function (name, ...rest) {
      if (name.startsWith('nodemailer')) throw Object.assign(new Error(name), { code: 'NOT_WANTED' });
      return load.call(this, name, ...rest);
    };`,
  );
  const env = { NODE_OPTIONS: `--require=${preload}` };
  const webhook = await openReceiver(answer(202));
  const dotEnv = `WEBHOOK_URL=${webhook.url}\n`;
  assert.deepEqual(await alertTest(dotEnv, env), { code: 0, stdout: 'webhook: sent\n', stderr: '' });
  const email = 'EMAIL_URL=smtp://127.0.0.1:1/?from=a@example.org&to=b@example.org\n';
  assert.deepEqual(await alertTest(dotEnv + email, env), {
    code: 1,
    stdout: 'email: no answer (NOT_WANTED)\nwebhook: sent\n',
    stderr: '',
  });
});
