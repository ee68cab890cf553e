import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { ECOSYSTEM, openPm2Sandbox, openUpstream, type Pm2Sandbox } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { until } from '../support/until.ts';

const isUp = ({ state }: ProxyStatus): boolean => state === 'up';

interface Running {
  readonly sandbox: Pm2Sandbox;
  readonly port: number;
  /** A file or a folder that the first proxy is started with. */
  path(name: 'node' | 'cli.js' | 'folder' | 'monitor/node'): string;
  /** Takes something away, kills the proxy, and waits for the verdict. */
  breakStart(path: string): Promise<ProxyStatus>;
}

/** Starts two proxies and the monitor. The first one has an interpreter, a script and a folder of its own, the monitor an interpreter. */
const run = async (t: TestContext): Promise<Running> => {
  const sandbox = openPm2Sandbox();
  const upstream = await openUpstream();
  t.after(() => sandbox.close());
  t.after(() => upstream.close());
  const [port, otherPort] = [await freePort(), await freePort()];
  sandbox.configure(
    [port, otherPort].map((listen) => ({
      listen: `127.0.0.1:${listen}`,
      upstream: `127.0.0.1:${upstream.port}`,
    })),
    { intervalMs: 100, fastIntervalMs: 50 },
  );
  const path = (name: string): string => join(sandbox.folder, name);
  mkdirSync(path('monitor'));
  for (const node of ['node', 'monitor/node']) symlinkSync(process.execPath, path(node));
  symlinkSync(join(process.cwd(), 'dist/cli.js'), path('cli.js'));
  mkdirSync(path('folder'));
  const own = { interpreter: path('node'), script: path('cli.js'), cwd: path('folder') };
  writeFileSync(
    path('changed.config.cjs'),
    `const { apps } = require(${JSON.stringify(ECOSYSTEM)});
     const own = ${JSON.stringify({ [`tcp-proxy-${port}`]: own, 'proxy-monitor': { interpreter: path('monitor/node') } })};
     module.exports = { apps: apps.map((app) => ({ ...app, ...own[app.name] })) };`,
  );
  await sandbox.pm2('start', path('changed.config.cjs'));
  for (const each of [port, otherPort]) await sandbox.proxyUntil(each, isUp);
  return {
    sandbox,
    port,
    path,
    breakStart: async (missing) => {
      const { pid } = await sandbox.proxyUntil(port, isUp);
      renameSync(missing, `${missing}.away`);
      process.kill(Number(pid), 'SIGKILL');
      const down = await sandbox.proxyUntil(port, ({ cause }) => cause === 'cannot_start');
      assert.equal(down.state, 'down');
      return down;
    },
  };
};

/** Each test has a PM2 of its own, and waits most of the time. */
describe('an app that PM2 cannot start says why', { concurrency: true }, () => {
  const table = [
    ['node', 'its interpreter', 'npm start, which runs it with the Node.js that there is now'],
    ['folder', 'its folder', 'npm start, which runs it from where the project is now'],
    ['cli.js', 'its script', 'npm start, which runs it from where the project is now'],
  ] as const;
  for (const [name, what, cure] of table)
    test(`${what} is gone, and when that is back, the port is up again by itself`, async (t) => {
      const { sandbox, port, path, breakStart } = await run(t);
      const missing = path(name);
      const down = await breakStart(missing);
      assert.equal(down.detail, `${what} ${missing} does not exist`);
      assert.equal(down.restarts.crash > 0, true);

      const { stdout } = await sandbox.steadyport('status', '--evidence', String(port));
      assert.match(stdout, /startFiles +missing\n/);
      const text = (await sandbox.steadyport('status', String(port))).stdout.replace(/\s+/g, ' ');
      assert.ok(text.includes(`PM2 cannot start it (${what} ${missing} does not exist). ${cure}.`), text);
      await sandbox.logUntil(
        'proxy-monitor',
        new RegExp(
          `port ${port} cannot be started \\(failure #\\d+\\): ${what}[^]*ALERT: Proxy for port ${port}`,
        ),
      );

      await sandbox.checks(20);
      const later = await sandbox.proxyUntil(port, () => true);
      assert.deepEqual([later.state, later.cause, later.restarts.forced], ['down', 'cannot_start', 0]);
      assert.doesNotMatch(sandbox.log('proxy-monitor'), /Attempting to restart/);

      renameSync(`${missing}.away`, missing);
      await sandbox.proxyUntil(port, isUp);
      // Node.js has written there that it does not find the script.
      rmSync(join(sandbox.folder, `pm2/logs/tcp-proxy-${port}-error.log`), { force: true });
    });

  test('without the monitor too, and npm start starts it with the present Node.js', async (t) => {
    const { sandbox, port, path, breakStart } = await run(t);
    const detail = (await breakStart(path('node'))).detail;
    const monitor = (await sandbox.ask())?.monitor;
    rmSync(path('monitor/node'));
    process.kill(Number(monitor?.pid), 'SIGKILL');
    const snapshot = await until(async () => {
      const now = await sandbox.status();
      return now.monitorStartProblem ? now : undefined;
    }, 'a monitor that cannot be started');
    assert.equal(snapshot.monitorStartProblem, `its interpreter ${path('monitor/node')} does not exist`);
    const found = snapshot.proxies.find(({ id }) => id === String(port));
    assert.deepEqual([found?.state, found?.cause, found?.detail], ['down', 'cannot_start', detail]);

    const started = await sandbox.steadyport('start');
    assert.equal(started.code, 0, started.stdout + started.stderr);
    await sandbox.proxyUntil(port, isUp);
  });

  test('where nothing is missing, it is the error of the last attempt, and the monitor tries again', async (t) => {
    const { sandbox, port, path } = await run(t);
    const node = path('node');
    const { pid } = await sandbox.proxyUntil(port, isUp);
    rmSync(node);
    writeFileSync(node, '#!/nowhere/node\n', { mode: 0o755 });
    process.kill(Number(pid), 'SIGKILL');
    const down = await sandbox.proxyUntil(port, ({ detail }) => detail === `spawn ${node} ENOENT`);
    assert.deepEqual([down.state, down.cause], ['down', 'cannot_start']);
    rmSync(node);
    symlinkSync(process.execPath, node);
    const back = await sandbox.proxyUntil(port, isUp);
    assert.ok(back.incidents.at(-1)?.actions.includes('start'));
  });

  test('the folder of its log is gone, and when that is back, PM2 has forgotten to restart it', async (t) => {
    const { sandbox, port, path, breakStart } = await run(t);
    const logs = join(path('node'), '../pm2/logs');
    const down = await breakStart(logs);
    assert.equal(down.detail, `the folder of its log, ${logs}, does not exist`);
    assert.match(down.startAdvice ?? '', /^mkdir -p /);
    rmSync(logs, { recursive: true, force: true });
    renameSync(`${logs}.away`, logs);
    await sandbox.proxyUntil(port, isUp);
  });
});
