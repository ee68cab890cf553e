import assert from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { answer, openReceiver, type Receiver } from '../support/http-receiver.ts';
import { ECOSYSTEM, openStation, openUpstream, type Station } from '../support/pm2-sandbox.ts';
import { freePort } from '../support/proxy-harness.ts';

const isUp = ({ state }: ProxyStatus): boolean => state === 'up';

/** One proxy, the monitor, every URL in `.env`, and one in the environment of whoever starts it. */
const rig = async (t: TestContext) => {
  const heartbeat = await openReceiver(answer(200, 'OK'));
  const refusing = await openReceiver(answer(404, 'no hidden-in-env-file here'));
  const station = openStation({ SLACK_WEBHOOK_URL: 'https://hooks.example/hidden-in-environment' });
  t.after(() => station.close());
  const upstream = await openUpstream();
  t.after(() => upstream.close());
  const [port, page] = [await freePort(), await freePort()];
  station.configure([{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }], {
    http: `127.0.0.1:${page}`,
  });
  writeSecrets(station, heartbeat, refusing);
  return { station, heartbeat, refusing, port, page };
};

const writeSecrets = ({ folder }: Station, heartbeat: Receiver, refusing: Receiver): void => {
  const file = join(folder, '.env');
  const lines = ['SLACK', 'DISCORD'].map((name) => `${name}_WEBHOOK_URL=${refusing.url}/hidden-in-env-file`);
  lines.push(`WEBHOOK_URL=${refusing.url}/hidden-in-env-file`);
  lines.push(`ALERTMANAGER_URL=${refusing.url}/hidden-in-env-file`);
  lines.push(`HEARTBEAT_URL=${heartbeat.url}/hidden-in-env-file`);
  writeFileSync(file, lines.join('\n'));
  chmodSync(file, 0o600);
};

test('no secret reaches the list and the files of PM2, the log, the state, the status, the metrics or a message', async (t) => {
  const { station, heartbeat, port, page } = await rig(t);
  const started = await station.pm2('start', ECOSYSTEM);
  assert.equal(started.code, 0, started.stderr);
  assert.match(
    started.stderr,
    /SLACK_WEBHOOK_URL is not read from the environment, which PM2 shows in its list/,
  );
  await station.proxyUntil(port, isUp);
  await heartbeat.got(1);
  assert.equal(heartbeat.received[0]?.path, '/hidden-in-env-file');
  const outcomes = [
    started,
    await station.steadyport('start'),
    await station.pm2('jlist'),
    await station.pm2('describe', 'proxy-monitor'),
    await station.pm2('save'),
    await station.steadyport('status'),
    await station.steadyport('status', '--json'),
    await station.steadyport('check-config'),
    await station.steadyport('alert-test'),
    await station.steadyport('logs', '-n', '1000'),
  ];
  const alertTest = outcomes.at(-2);
  assert.equal(alertTest?.code, 1);
  assert.match(
    alertTest?.stdout ?? '',
    /^slack: HTTP 404\ndiscord: HTTP 404\nwebhook: HTTP 404\nalertmanager: HTTP 404\n$/,
  );
  const shown = [
    ...outcomes.flatMap(({ stdout, stderr }) => [stdout, stderr]),
    ...(await Promise.all(['metrics', 'api/v1/status'].map((path) => get(page, path)))),
    ...filesBelow(station.folder, (path) => path !== join(station.folder, '.env')),
  ];
  for (const text of shown) assert.doesNotMatch(text, /hidden-in/);
  assert.match(shown.join('\n'), /proxy-monitor/, 'something was looked at');
});

test('a heartbeat that cannot be sent is told without its URL, and a URL that is none keeps neither the monitor nor a port down', async (t) => {
  const { station, heartbeat, refusing, port } = await rig(t);
  assert.equal((await station.pm2('start', ECOSYSTEM)).code, 0);
  await station.proxyUntil(port, isUp);
  await heartbeat.got(1);
  writeFileSync(
    join(station.folder, '.env'),
    `HEARTBEAT_URL=${refusing.url}/hidden-in-env-file\nWEBHOOK_URL=hidden-in-env-file\n`,
  );
  const told = /steadyport: .*WEBHOOK_URL is not shown here: expected an http or https URL/;
  const refused = await station.steadyport('start');
  assert.deepEqual([refused.code, refused.stdout], [2, '']);
  assert.match(refused.stderr, told);
  const started = await station.pm2('start', ECOSYSTEM, '--only', 'proxy-monitor');
  assert.equal(started.code, 0);
  assert.match(started.stderr, told);
  await refusing.got(1);
  await until(() =>
    station.log('proxy-monitor').includes('The heartbeat cannot be sent: HTTP 404; trying again'),
  );
  assert.match(station.log('proxy-monitor'), /WEBHOOK_URL is not shown here/);
  await station.proxyUntil(port, isUp);
  for (const text of filesBelow(join(station.folder, 'pm2'))) assert.doesNotMatch(text, /hidden-in-env/);
});

test('`npm start` gives changed secrets to the monitor, and leaves the proxies alone', async (t) => {
  const { station, heartbeat, port } = await rig(t);
  assert.equal((await station.steadyport('start')).code, 0);
  const before = await station.proxyUntil(port, isUp);
  await heartbeat.got(1);
  assert.match((await station.steadyport('start')).stdout, /nothing was touched/);
  const other = await openReceiver(answer(200, 'OK'));
  writeFileSync(join(station.folder, '.env'), `HEARTBEAT_URL=${other.url}/\n`, { mode: 0o600 });
  assert.equal((await station.steadyport('start')).code, 0);
  await other.got(1);
  assert.equal((await station.proxyUntil(port, isUp)).pid, before.pid);
});

const get = async (port: number, path: string): Promise<string> =>
  (await fetch(`http://127.0.0.1:${port}/${path}`, { headers: { connection: 'close' } })).text();

const filesBelow = (folder: string, isWanted = (_: string): boolean => true): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => isWanted(path) && statSync(path).isFile())
    .map((path) => readFileSync(path, 'utf8'));

/** For a minute at most. */
const until = async (isSo: () => boolean): Promise<void> => {
  for (const giveUpAt = Date.now() + 60_000; !isSo(); ) {
    assert.ok(Date.now() < giveUpAt, 'it never came');
    await new Promise((done) => setImmediate(done));
  }
};
