import assert from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { answer, openReceiver, type Receiver } from '../support/alerting/http-receiver.ts';
import { ECOSYSTEM, openPm2Sandbox, openUpstream, type Pm2Sandbox } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';

const isUp = ({ state }: ProxyStatus): boolean => state === 'up';

/** Starts one proxy and the monitor, with every URL in `.env` and one in the environment of the caller. */
const rig = async (t: TestContext) => {
  const heartbeat = await openReceiver(answer(200, 'OK'));
  const refusing = await openReceiver(answer(404, 'no hidden-in-env-file here'));
  const sandbox = openPm2Sandbox({ SLACK_WEBHOOK_URL: 'https://hooks.example/hidden-in-environment' });
  t.after(() => sandbox.close());
  const upstream = await openUpstream();
  t.after(() => upstream.close());
  const port = await freePort();
  const httpPort = await freePort();
  sandbox.configure([{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }], {
    http: `127.0.0.1:${httpPort}`,
  });
  writeSecrets(sandbox, heartbeat, refusing);
  return { sandbox, heartbeat, refusing, port, httpPort };
};

const writeSecrets = ({ folder }: Pm2Sandbox, heartbeat: Receiver, refusing: Receiver): void => {
  const file = join(folder, '.env');
  const lines = ['SLACK', 'DISCORD'].map((name) => `${name}_WEBHOOK_URL=${refusing.url}/hidden-in-env-file`);
  lines.push(`WEBHOOK_URL=${refusing.url}/hidden-in-env-file`);
  lines.push(`ALERTMANAGER_URL=${refusing.url}/hidden-in-env-file`);
  lines.push(`TEAMS_WEBHOOK_URL=${refusing.url}/hidden-in-env-file?sig=hidden-in-env-file`);
  lines.push(`TELEGRAM_URL=${refusing.url}/bot1:hidden-in-env-file/sendMessage?chat_id=@hidden_in_env_file`);
  lines.push(
    'EMAIL_URL=smtp://me:hidden-in-env-file@127.0.0.1:1/?from=a@hidden-in.example&to=b@hidden-in.example',
  );
  lines.push('ALERT_COMMAND=/bin/false');
  lines.push(`HEARTBEAT_URL=${heartbeat.url}/hidden-in-env-file`);
  writeFileSync(file, lines.join('\n'));
  chmodSync(file, 0o600);
};

test('no secret reaches the list and the files of PM2, the log, the state, the status, the metrics or a message', async (t) => {
  const { sandbox, heartbeat, port, httpPort } = await rig(t);
  const started = await sandbox.pm2('start', ECOSYSTEM);
  assert.equal(started.code, 0, started.stderr);
  assert.match(
    started.stderr,
    /SLACK_WEBHOOK_URL is not read from the environment, which PM2 shows in its list/,
  );
  await sandbox.proxyUntil(port, isUp);
  await heartbeat.got(1);
  assert.equal(heartbeat.received[0]?.path, '/hidden-in-env-file');
  const outcomes = [
    started,
    await sandbox.steadyport('start'),
    await sandbox.pm2('jlist'),
    await sandbox.pm2('describe', 'proxy-monitor'),
    await sandbox.pm2('save'),
    await sandbox.steadyport('status'),
    await sandbox.steadyport('status', '--json'),
    await sandbox.steadyport('check-config'),
    await sandbox.steadyport('alert-test'),
    await sandbox.steadyport('logs', '-n', '1000'),
  ];
  const alertTest = outcomes.at(-2);
  assert.equal(alertTest?.code, 1);
  assert.match(
    alertTest?.stdout ?? '',
    /^slack: HTTP 404\ndiscord: HTTP 404\nteams: HTTP 404\ntelegram: HTTP 404\nemail: connection refused\nwebhook: HTTP 404\ncommand: exit code 1\nalertmanager: HTTP 404\n$/,
  );
  const shown = [
    ...outcomes.flatMap(({ stdout, stderr }) => [stdout, stderr]),
    ...(await Promise.all(['metrics', 'api/v1/status'].map((path) => get(httpPort, path)))),
    ...filesBelow(sandbox.folder, (path) => path !== join(sandbox.folder, '.env')),
  ];
  for (const text of shown) assert.doesNotMatch(text, /hidden.in/);
  assert.match(shown.join('\n'), /proxy-monitor/, 'the searched texts are not empty');
});

test('a heartbeat that cannot be sent is logged without its URL, and an invalid URL keeps neither the monitor nor a port down', async (t) => {
  const { sandbox, heartbeat, refusing, port } = await rig(t);
  await sandbox.pm2('start', ECOSYSTEM);
  await sandbox.proxyUntil(port, isUp);
  await heartbeat.got(1);
  writeFileSync(
    join(sandbox.folder, '.env'),
    `HEARTBEAT_URL=${refusing.url}/hidden-in-env-file\nWEBHOOK_URL=hidden-in-env-file\n`,
  );
  const warning = /steadyport: .*WEBHOOK_URL is not shown here: expected an http or https URL/;
  const refused = await sandbox.steadyport('start');
  assert.deepEqual([refused.code, refused.stdout], [2, '']);
  assert.match(refused.stderr, warning);
  const started = await sandbox.pm2('start', ECOSYSTEM, '--only', 'proxy-monitor');
  assert.equal(started.code, 0);
  assert.match(started.stderr, warning);
  await refusing.got(1);
  await sandbox.logUntil('proxy-monitor', /The heartbeat cannot be sent: HTTP 404; trying again/);
  await sandbox.logUntil('proxy-monitor', /WEBHOOK_URL is not shown here/);
  await sandbox.proxyUntil(port, isUp);
  for (const text of filesBelow(join(sandbox.folder, 'pm2'))) assert.doesNotMatch(text, /hidden-in-env/);
});

test('`npm start` gives changed secrets to the monitor, and leaves the proxies alone', async (t) => {
  const { sandbox, heartbeat, port } = await rig(t);
  assert.equal((await sandbox.steadyport('start')).code, 0);
  const before = await sandbox.proxyUntil(port, isUp);
  await heartbeat.got(1);
  assert.match((await sandbox.steadyport('start')).stdout, /nothing was touched/);
  const replacement = await openReceiver(answer(200, 'OK'));
  writeFileSync(join(sandbox.folder, '.env'), `HEARTBEAT_URL=${replacement.url}/\n`, { mode: 0o600 });
  assert.equal((await sandbox.steadyport('start')).code, 0);
  await replacement.got(1);
  assert.equal((await sandbox.proxyUntil(port, isUp)).pid, before.pid);
});

const get = async (port: number, path: string): Promise<string> =>
  (await fetch(`http://127.0.0.1:${port}/${path}`, { headers: { connection: 'close' } })).text();

const filesBelow = (folder: string, isIncluded = (_: string): boolean => true): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => isIncluded(path) && statSync(path).isFile())
    .map((path) => readFileSync(path, 'utf8'));
