import assert from 'node:assert/strict';
import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
} from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, describe, type TestContext, test } from 'node:test';
import { ECOSYSTEM, openPm2Sandbox, openUpstream, type Pm2Sandbox } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { until } from '../support/until.ts';

/** Makes one connection through a proxy. @returns the client's port, which identifies the line in the log */
const visit = async (port: number): Promise<number> => {
  const call = get({ port, host: '127.0.0.1', agent: false });
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  const { localPort = 0 } = response.socket;
  assert.equal(await text(response), 'the upstream');
  return localPort;
};

interface Follower {
  readonly child: ChildProcess;
  /** Resolves when the visit's line was printed. It has no limit but the test's own timeout. */
  waitForLine(clientPort: number): Promise<void>;
  output(): string;
  errors(): string;
}

const follow = (t: TestContext, sandbox: Pm2Sandbox, ...args: string[]): Follower => {
  const child = spawn(process.execPath, [join(process.cwd(), 'dist/cli.js'), 'logs', '-f', ...args], {
    env: sandbox.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  return followerOf(child);
};

/** Follows as a user types it in a terminal of its own, where Ctrl-C reaches all processes. */
const followByNpm = (t: TestContext, sandbox: Pm2Sandbox, ...args: string[]): Follower => {
  const child = spawn('npm', ['run', 'logs', '--', ...args], {
    env: sandbox.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  t.after(() => signalGroup(child, 'SIGKILL'));
  return followerOf(child);
};

/** @returns false when no process is left in the group */
const signalGroup = ({ pid }: ChildProcess, signal: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(-Number(pid), signal);
  } catch {
    return false;
  }
};

const followerOf = (child: ChildProcessByStdio<null, Readable, Readable>): Follower => {
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    output += more;
  });
  child.stderr.setEncoding('utf8').on('data', (more: string) => {
    errors += more;
  });
  return {
    child,
    waitForLine: async (clientPort) => {
      while (!output.includes(`127.0.0.1:${clientPort} → `)) await once(child.stdout, 'data');
    },
    output: () => output,
    errors: () => errors,
  };
};

describe('the logs of apps under PM2', { timeout: 240_000 }, () => {
  let sandbox: Pm2Sandbox;
  let upstream: { port: number; close(): Promise<void> };
  let ports: [number, number];
  const logs = (...args: string[]) => sandbox.steadyport('logs', ...args);
  const file = (port: number, kind: string): string =>
    join(sandbox.folder, `pm2/logs/tcp-proxy-${port}-${kind}.log`);
  const access = (port: number): string => join(sandbox.folder, `home/logs/tcp-proxy-${port}.log`);
  /** Waits until the proxy has written the line of a visit. */
  const waitUntilWritten = async (port: number, clientPort: number): Promise<void> => {
    const line = `127.0.0.1:${clientPort} → `;
    await until(
      () => existsSync(access(port)) && readFileSync(access(port), 'utf8').includes(line),
      `the line of ${clientPort}`,
    );
  };

  before(async () => {
    upstream = await openUpstream();
    ports = [await freePort(), await freePort()];
    sandbox = openPm2Sandbox();
    sandbox.configure(
      ports.map((port, index) => ({
        label: `number ${index}`,
        listen: `127.0.0.1:${port}`,
        upstream: `127.0.0.1:${upstream.port}`,
      })),
    );
    await sandbox.pm2('start', ECOSYSTEM);
    for (const port of ports) await sandbox.proxyUntil(port, ({ state }) => state === 'up');
  });
  after(async () => {
    await upstream.close();
    await sandbox.close();
  });

  test('are printed together, in the order of time, each line prefixed with its app', async () => {
    for (const port of ports) await waitUntilWritten(port, await visit(port));
    const { code, stdout, stderr } = await logs();
    assert.deepEqual([code, stderr], [0, '']);
    const lines = stdout.trimEnd().split('\n');
    const names = lines.map((line) => /^(\S+) +\| \[/.exec(line)?.[1]);
    assert.deepEqual(
      [...new Set(names)].sort(),
      ['proxy-monitor', ...ports.map((port) => `tcp-proxy-${port}`)].sort(),
    );
    const stamps = lines.map((line) => /\[(.{19})\]/.exec(line)?.[1]);
    assert.deepEqual(stamps, [...stamps].sort());
    // The monitor may have written more since.
    assert.ok((await logs()).stdout.startsWith(stdout));
  });

  test('are printed with what happened before all the connections', async () => {
    const [port] = ports;
    for (let visits = 0; visits < 4; visits += 1) await waitUntilWritten(port, await visit(port));
    const countOf = async (...args: string[]) => {
      const lines = (await logs(...args)).stdout.trimEnd().split('\n');
      const connections = lines.filter((line) => /127\.0\.0\.1:\d+ → /.test(line));
      return { connections: connections.length, others: lines.length - connections.length };
    };
    assert.deepEqual(await countOf('-n', '3'), { connections: 1, others: 2 });
    assert.deepEqual(await countOf(`${port}`, '-n', '2'), { connections: 1, others: 1 });
  });

  test('are printed of one app by any of its names, as they were written', async () => {
    const [port] = ports;
    const whole = [file(port, 'out'), access(port)].map((path) => readFileSync(path, 'utf8')).join('');
    for (const name of [`${port}`, `tcp-proxy-${port}`, 'Number 0'])
      assert.deepEqual(await logs(name), { code: 0, stdout: whole, stderr: '' });
    for (const name of ['monitor', 'proxy-monitor']) {
      const before = sandbox.log('proxy-monitor');
      const { stdout, ...rest } = await logs(name, '--lines', '1000');
      assert.deepEqual(rest, { code: 0, stderr: '' });
      assert.ok(before !== '' && stdout.startsWith(before), stdout);
      assert.ok(sandbox.log('proxy-monitor').startsWith(stdout), stdout);
    }
  });

  test('mark the lines of stderr', async () => {
    const [port] = ports;
    appendFileSync(file(port, 'error'), 'Error: planted\n');
    const { stdout } = await logs(`${port}`);
    truncateSync(file(port, 'error'));
    assert.match(stdout, /^err \| Error: planted$/m);
  });

  test('are followed across a rename, a cut, and a restart of the app, until Ctrl-C', async (t) => {
    const [port, other] = ports;
    const follower = follow(t, sandbox);
    const clients: number[] = [];
    const visitAndWait = async (to: number): Promise<void> => {
      clients.push(await visit(to));
      await follower.waitForLine(clients.at(-1) ?? 0);
    };
    await visitAndWait(port);
    assert.match(follower.output(), new RegExp(`^tcp-proxy-${port} +\\| \\[`, 'm'));

    renameSync(access(port), `${access(port)}.1`);
    await visitAndWait(port);
    renameSync(file(port, 'out'), `${file(port, 'out')}.1`);
    await sandbox.pm2('reloadLogs');
    await visitAndWait(port);

    copyFileSync(access(port), `${access(port)}.2`);
    truncateSync(access(port));
    await visitAndWait(port);

    await sandbox.pm2('restart', `tcp-proxy-${port}`);
    await sandbox.proxyUntil(port, ({ state }) => state === 'up');
    await visitAndWait(port);
    await visitAndWait(other);
    for (const client of clients)
      assert.equal(follower.output().split(`127.0.0.1:${client} → `).length, 2, 'each line once');

    follower.child.kill('SIGINT');
    assert.deepEqual(await once(follower.child, 'close'), [0, null]);
    assert.equal(follower.errors(), '');
  });

  test('are followed by npm run logs too, which Ctrl-C ends without leaving a process', async (t) => {
    const [port, other] = ports;
    await waitUntilWritten(port, await visit(port));
    const follower = followByNpm(t, sandbox, `${port}`, '-n', '50', '-f');
    while (!follower.output().includes('listening on'))
      await once(follower.child.stdout ?? follower.child, 'data');
    await visit(other);
    await follower.waitForLine(await visit(port));
    assert.doesNotMatch(follower.output(), new RegExp(`tcp-proxy-${other}`));
    const closed = once(follower.child, 'close');
    assert.equal(signalGroup(follower.child, 'SIGINT'), true);
    await closed;
    await until(() => !signalGroup(follower.child, 0), 'the end of the process group');
    assert.equal(follower.errors(), '');
  });

  test('are followed until the reader closes its end', async (t) => {
    const [port] = ports;
    const follower = follow(t, sandbox, `${port}`);
    await follower.waitForLine(await visit(port));
    const closed = once(follower.child, 'close');
    follower.child.stdout?.destroy();
    await visit(port);
    assert.deepEqual(await closed, [0, null]);
    assert.equal(follower.errors(), '');
  });

  test('are printed while PM2 hangs, and when it is dead, and no daemon is started for them', async () => {
    const [port] = ports;
    const pid = Number(readFileSync(join(sandbox.folder, 'pm2/pm2.pid'), 'utf8'));
    const before = (await logs(`${port}`)).stdout;
    process.kill(pid, 'SIGSTOP');
    const hung = await logs(`${port}`);
    process.kill(pid, 'SIGCONT');
    assert.deepEqual([hung.code, hung.stdout], [0, before]);
    assert.match(hung.stderr, /^steadyport: PM2 did not answer within 2000 ms, and nothing is written/);

    assert.equal((await sandbox.steadyport('stop')).code, 0);
    await sandbox.pm2('kill');
    const dead = await logs(`${port}`);
    assert.deepEqual([dead.code, dead.stdout.startsWith(before)], [0, true]);
    assert.match(dead.stderr, /^steadyport: the PM2 daemon is not running, and nothing is written/);
    assert.equal(existsSync(join(sandbox.folder, 'pm2/rpc.sock')), false);
  });
});

test("the logs are read from PM2's configured folder, and a missing file is reported", async (t) => {
  const elsewhere = mkdtempSync(join(tmpdir(), 'sp-'));
  const sandbox = openPm2Sandbox({ PM2_DEFAULT_LOG_PATH: elsewhere });
  t.after(async () => {
    await sandbox.close();
    // PM2 makes the folder again as long as it runs: it is removed after PM2's end.
    rmSync(elsewhere, { recursive: true });
  });
  const port = await freePort();
  sandbox.configure([{ listen: `127.0.0.1:${port}`, upstream: '127.0.0.1:9', optional: true }]);
  const none = await sandbox.steadyport('logs', `${port}`);
  assert.deepEqual([none.code, none.stdout], [1, '']);
  assert.match(none.stderr, new RegExp(`tcp-proxy-${port} has no log: there is no file /.*-out\\.log$`, 'm'));

  assert.equal((await sandbox.steadyport('start')).code, 0);
  const { code, stdout } = await sandbox.steadyport('logs', `${port}`);
  assert.equal(code, 0);
  assert.equal(stdout, readFileSync(join(elsewhere, `tcp-proxy-${port}-out.log`), 'utf8'));
  assert.match(stdout, /listening on 127\.0\.0\.1/);
});
