import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ECOSYSTEM, openPm2Sandbox, openUpstream } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { until } from '../support/until.ts';

/** Two proxies and the monitor under a real PM2; `next` ends the monitor and starts the next one. */
const rig = async (t: TestContext) => {
  const sandbox = openPm2Sandbox();
  writeFileSync(join(sandbox.folder, '.env'), 'WEBHOOK_URL=http://127.0.0.1:9/\n');
  const upstream = await openUpstream();
  const ports = [await freePort(), await freePort()] as const;
  const httpPort = await freePort();
  t.after(() => sandbox.close());
  t.after(() => upstream.close());
  sandbox.configure(
    ports.map((port) => ({ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` })),
    { http: `127.0.0.1:${httpPort}`, intervalMs: 200, fastIntervalMs: 100 },
  );
  await sandbox.pm2('start', ECOSYSTEM);
  const get = async (path: string): Promise<readonly [number, string]> => {
    const answer = await fetch(`http://127.0.0.1:${httpPort}${path}`, { headers: { connection: 'close' } });
    return [answer.status, await answer.text()];
  };
  const allUp = () =>
    Promise.all(ports.map((port) => sandbox.proxyUntil(port, ({ state }) => state === 'up')));
  const home = join(sandbox.folder, 'home');
  return {
    sandbox,
    ports,
    get,
    allUp,
    read: (name: string) => JSON.parse(readFileSync(join(home, name), 'utf8')),
    /** Starts the next monitor with something else in the place of a state file. */
    next: async (name: string, put: (path: string) => void): Promise<void> => {
      await sandbox.pm2('stop', 'proxy-monitor');
      rmSync(join(home, name), { force: true });
      put(join(home, name));
      await sandbox.pm2('start', 'proxy-monitor');
    },
    asides: () => readdirSync(home).filter((name) => name.includes('.bad-')),
  };
};

test('whatever is in the place of a state file: no proxy is restarted, the page is served, and the rest keeps its value', async (t) => {
  const { sandbox, ports, get, allUp, read, next, asides } = await rig(t);
  const [first, second] = ports;
  const before = await allUp();
  for (const port of ports)
    await (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).text();
  const metric = async (name: string, port: number): Promise<number> => {
    const [status, page] = await get('/metrics');
    assert.equal(status, 200, page);
    return Number(
      new RegExp(`^steadyport_${name}\\{proxy="tcp-proxy-${port}"\\} (.*)$`, 'm').exec(page)?.[1],
    );
  };
  for (const port of ports)
    await until(async () => (await metric('connections_total', port)) === 1, 'the connection is counted');
  const { firstCheckAt } = read('monitor.json').ports[second].health;

  const edit =
    (name: string, change: (content: never) => void) =>
    (path: string): void => {
      const content = contents[name];
      change(content as never);
      writeFileSync(path, JSON.stringify(content));
    };
  const contents: Record<string, unknown> = {};
  interface Ports {
    ports: Record<string, unknown>;
  }
  const cases: readonly [file: string, put: (path: string) => void][] = [
    [
      'monitor-counts.json',
      edit('monitor-counts.json', (content: Ports) => {
        content.ports[first] = {};
      }),
    ],
    [
      'monitor.json',
      edit('monitor.json', (content: Ports) => {
        content.ports[first] = {
          health: { failures: null, history: 'x', breaker: null, warnings: null, crashedAt: 5 },
          daemonPid: null,
        };
      }),
    ],
    [
      'alerts.json',
      (path) => writeFileSync(path, '{"version":2,"alertState":{},"outbox":{"webhook":5},"counts":{}}'),
    ],
    ['monitor.json', (path) => writeFileSync(path, '{"version":3,"po')],
    ['monitor.json', (path) => void execFileSync('mkfifo', [path])],
    ['accepted.json', (path) => writeFileSync(path, '{"version":1,"acc')],
  ];
  for (const [at, [file, put]] of cases.entries()) {
    contents[file] = read(file);
    await next(file, put);
    const now = await allUp();
    assert.deepEqual(
      now.map(({ pid, restarts }) => [pid, restarts]),
      before.map(({ pid, restarts }) => [pid, restarts]),
      file,
    );
    assert.equal((await get('/readyz'))[0], 200, file);
    for (const port of ports)
      await until(async () => (await metric('connections_total', port)) === 1, `the count of ${port}`);
    assert.equal(await metric('check_errors_total', second), 0);
    if (at < 3) assert.equal(read('monitor.json').ports[second].health.firstCheckAt, firstCheckAt);
    assert.deepEqual((await sandbox.status()).monitor?.problems, []);
  }
  assert.deepEqual(
    asides()
      .map((name) => name.replace(/\.bad-.*/, ''))
      .sort(),
    ['alerts.json', 'monitor.json', 'monitor.json', 'monitor.json'],
  );
  await sandbox.logUntil(
    'proxy-monitor',
    /monitor\.json cannot be used, and begins anew: it is no regular file/,
  );
  await sandbox.logUntil(
    'proxy-monitor',
    /accepted\.json cannot be used: .*; the config file is used instead/,
  );
});
