import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { MonitorProblem } from '../../src/status/monitor-problem.ts';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { HAS_PROCFS, isAlive } from '../../src/system/proc/procfs.ts';
import { openPm2Sandbox, openUpstream, type Pm2Sandbox } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { needs } from '../support/requirements.ts';

const isUp = ({ state }: ProxyStatus): boolean => state === 'up';

interface Running {
  readonly sandbox: Pm2Sandbox;
  readonly port: number;
  /** The pid of the PM2 daemon. */
  readonly daemon: number;
}

/** Starts one proxy and the monitor. */
const run = async (t: TestContext): Promise<Running> => {
  const sandbox = openPm2Sandbox();
  const upstream = await openUpstream();
  let daemon = 0;
  // The sandbox finds its daemon by the pid file.
  t.after(() => {
    if (isAlive(daemon)) writeFileSync(pidFileOf(sandbox), String(daemon));
  });
  t.after(() => sandbox.close());
  t.after(() => upstream.close());
  const port = await freePort();
  sandbox.configure([{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }], {
    intervalMs: 100,
    fastIntervalMs: 50,
  });
  assert.equal((await sandbox.steadyport('start')).code, 0);
  daemon = Number(readFileSync(pidFileOf(sandbox), 'utf8'));
  await sandbox.proxyUntil(port, isUp);
  return { sandbox, port, daemon };
};

const pidFileOf = ({ folder }: Pm2Sandbox): string => join(folder, 'pm2/pm2.pid');

/** The exit codes of the commands when PM2 itself fails (docs/cli.md). */
const EXIT_CODES = { start: 4, stop: 1, uninstall: 1 };
const NPM_COMMANDS: Readonly<Record<string, string>> = {
  start: 'npm start',
  stop: 'npm stop',
  uninstall: 'npm run uninstall',
};

/** Each test has a PM2 of its own, and waits most of the time. */
describe("PM2's daemon", {
  concurrency: 2,
  skip: needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)'),
}, () => {
  for (const [name, spoil] of Object.entries({
    'is missing': (path: string) => rmSync(path),
    'names another process': (path: string) => writeFileSync(path, '1'),
  }))
    test(`cures as before while pm2.pid ${name}`, async (t) => {
      const { sandbox, port } = await run(t);
      spoil(pidFileOf(sandbox));
      const { pid } = await sandbox.proxyUntil(port, isUp);
      process.kill(Number(pid), 'SIGSTOP');
      const back = await sandbox.proxyUntil(port, (proxy) => isUp(proxy) && proxy.pid !== pid);
      assert.equal(back.restarts.forced, 1);
      assert.equal((await sandbox.ask())?.monitor?.pm2Problem, null);
      assert.match((await sandbox.steadyport('start')).stdout, /^Everything runs as configured/);
    });

  test('that is dead, or replaced by an empty one, is a problem of its own, and npm start is the cure', async (t) => {
    const { sandbox, port, daemon } = await run(t);
    const { pid } = await sandbox.proxyUntil(port, isUp);
    const problemUntil = async (text: RegExp) => {
      await sandbox.snapshotUntil(({ monitor }) =>
        (monitor?.problems ?? []).some((problem) => problem.kind === 'pm2_lost' && text.test(problem.text)),
      );
      const { code, stdout } = await sandbox.steadyport('status');
      assert.equal(code, 1, stdout);
      assert.match(stdout, /^.*PM2 does not supervise the ports\. The port is up\./);
    };
    process.kill(daemon, 'SIGKILL');
    await problemUntil(/^the PM2 daemon is not running, and nothing brings back what dies: npm start/);
    assert.equal((await sandbox.pm2('list')).code, 0);
    await problemUntil(/has none of the apps, and nothing brings back what dies: npm start/);
    const before = await sandbox.proxyUntil(port, isUp);
    assert.deepEqual([before.pid, before.restarts.forced], [pid, 0]);
    assert.equal((await sandbox.steadyport('start')).code, 0);
    await sandbox.snapshotUntil(({ monitor }) => monitor?.problems.length === 0);
    const after = await sandbox.proxyUntil(port, isUp);
    assert.notEqual(after.pid, pid);
  });

  test('that is stopped is named by start, stop, uninstall and the status, with the cure', async (t) => {
    const { sandbox, port, daemon } = await run(t);
    process.kill(daemon, 'SIGSTOP');
    try {
      const isHanging = ({ kind }: MonitorProblem): boolean => kind === 'pm2_hangs';
      await sandbox.snapshotUntil(({ monitor }) => monitor?.problems.some(isHanging) ?? false);
      const { pid } = await sandbox.proxyUntil(port, isUp);
      process.kill(Number(pid), 'SIGKILL');
      await sandbox.proxyUntil(port, ({ state }) => state === 'down');
      const status = await sandbox.steadyport('status');
      assert.equal(status.code, 1, status.stdout);
      assert.match(status.stdout, /^.*PM2 hangs\. The port is down/);
      assert.match(
        status.stdout,
        new RegExp(`Nothing restarts it.*: kill -CONT ${daemon}, or kill -9 ${daemon}`),
      );
      for (const [command, exitCode] of Object.entries(EXIT_CODES)) {
        const { code, stderr } = await sandbox.steadyport(command);
        assert.equal(code, exitCode, stderr);
        const cure = `\\(pid ${daemon}\\) is stopped by a signal: kill -CONT ${daemon}, or kill -9 ${daemon} and then ${NPM_COMMANDS[command]}`;
        assert.match(stderr, new RegExp(cure));
      }
    } finally {
      process.kill(daemon, 'SIGCONT');
    }
  });

  test('that has lost its socket gets no second one beside it: start, stop and uninstall say so, with the cure', async (t) => {
    const { sandbox, daemon } = await run(t);
    rmSync(join(sandbox.folder, 'pm2/rpc.sock'));
    for (const [command, exitCode] of Object.entries(EXIT_CODES)) {
      const { code, stderr } = await sandbox.steadyport(command);
      assert.equal(code, exitCode, stderr);
      assert.match(
        stderr,
        new RegExp(
          `the PM2 daemon runs \\(pid ${daemon}\\), .*rpc\\.sock was removed: kill -9 ${daemon} and then ${NPM_COMMANDS[command]}`,
        ),
      );
    }
    assert.equal(readFileSync(pidFileOf(sandbox), 'utf8'), String(daemon));
  });
});
