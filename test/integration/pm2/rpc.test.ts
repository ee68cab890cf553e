import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { countInstances, createPm2, listOwnApps, Pm2Failure } from '../../../src/pm2/client.ts';
import { findDaemon } from '../../../src/pm2/daemon.ts';
import { HAS_PROCFS } from '../../../src/system/proc/procfs.ts';
import { needs } from '../../support/requirements.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const require = createRequire(import.meta.url);
const axon = require('pm2/modules/pm2-axon') as {
  socket(type: 'rep'): {
    bind(path: string): void;
    close(): void;
    once(event: 'bind', done: () => void): void;
  };
};
const { Server: RpcServer } = require('pm2/modules/pm2-axon-rpc') as {
  Server: new (socket: unknown) => { expose(methods: object): void };
};

/** Longer than a test may take: an answer that comes is no time-out. */
const NEVER_MS = 1_000_000;

const rig = (t: TestContext) => {
  const home = tempFolder();
  const pm2 = createPm2(home, NEVER_MS);
  t.after(() => pm2.close());
  return { home, pm2, rpcSocket: join(home, 'rpc.sock'), pidFile: join(home, 'pm2.pid') };
};

/** A daemon in this process. @param apps as PM2 lists them; default: none */
const openDaemon = async (t: TestContext, path: string, apps: readonly object[] = []): Promise<void> => {
  const socket = axon.socket('rep');
  new RpcServer(socket).expose({
    getMonitorData: (_: object, done: (error: null, apps: readonly object[]) => void) => done(null, apps),
  });
  await new Promise<void>((resolve) => {
    socket.once('bind', resolve);
    socket.bind(path);
  });
  t.after(() => socket.close());
};

describe('a PM2 that cannot be asked', () => {
  test('is unknown, and no daemon is launched', async (t) => {
    const { home, pm2, rpcSocket, pidFile } = rig(t);
    symlinkSync('rpc.sock', rpcSocket);
    writeFileSync(pidFile, String(process.pid));
    assert.deepEqual(await pm2.list(), { ok: false, problem: 'PM2 cannot be asked (ELOOP)' });
    await assert.rejects(pm2.restart('app'), /^Error: PM2 cannot be asked \(ELOOP\)$/);
    const appEnv = { STEADYPORT_HOME: '/h', STEADYPORT_PROJECT: 'default' };
    const owner = { appEnv, configPath: '/c/steadyport.json' };
    // A command names no cure for a daemon of which nothing is known.
    await assert.rejects(
      listOwnApps(home, owner, 'npm stop'),
      new Pm2Failure("PM2's list could not be had: PM2 cannot be asked (ELOOP)"),
    );
    assert.deepEqual(readdirSync(home).sort(), ['pm2.pid', 'rpc.sock']);
  });

  test('has no daemon when nobody listens on its socket, and none is launched', async (t) => {
    const { home, pm2, pidFile } = rig(t);
    writeFileSync(pidFile, String(process.pid));
    assert.deepEqual(await pm2.list(), { ok: false, problem: 'the PM2 daemon is not running' });
    await assert.rejects(pm2.restart('app'), /^Error: the PM2 daemon is not running$/);
    assert.deepEqual(readdirSync(home), ['pm2.pid']);
  });
});

test('a call that waits fails as soon as the connection closes, and launches nothing', async (t) => {
  const { home, pm2, rpcSocket } = rig(t);
  const daemon = createServer((socket) =>
    socket
      .on('error', () => {})
      .once('data', () => {
        daemon.close();
        socket.destroy();
      }),
  ).listen(rpcSocket);
  await once(daemon, 'listening');
  assert.deepEqual(await pm2.list(), { ok: false, problem: 'PM2 closed the connection' });
  assert.equal((await pm2.list()).ok, false);
  assert.equal(existsSync(join(home, 'pm2.log')), false);
});

test('a call that waits for a daemon that hangs fails with the time-out of another, and names it', async (t) => {
  const { home, rpcSocket } = rig(t);
  const daemon = createServer((socket) => socket.on('error', () => {})).listen(rpcSocket);
  t.after(() => daemon.close());
  await once(daemon, 'listening');
  const pm2 = createPm2(home, 100);
  t.after(() => pm2.close());
  const restarting = assert.rejects(pm2.restart('app'), /^Error: PM2 did not answer within 100 ms$/);
  assert.deepEqual(await pm2.list(), {
    ok: false,
    problem: 'PM2 did not answer within 100 ms',
    unreachable: { pid: HAS_PROCFS ? process.pid : null, fault: 'silent' },
  });
  await restarting;
});

describe('the daemon is the process that listens on the socket', {
  skip: needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)'),
}, () => {
  const pidFiles = { 'names it': String(process.pid), 'names another process': '1', 'is missing': undefined };
  for (const [name, content] of Object.entries(pidFiles))
    test(`when pm2.pid ${name}`, async (t) => {
      const { pm2, rpcSocket, pidFile } = rig(t);
      await openDaemon(t, rpcSocket);
      if (content !== undefined) writeFileSync(pidFile, content);
      assert.deepEqual(await pm2.list(), { ok: true, daemonPid: process.pid, apps: new Map() });
    });

  test('when the file of its socket was removed, which is said', async (t) => {
    const { pm2, rpcSocket } = rig(t);
    await openDaemon(t, rpcSocket);
    rmSync(rpcSocket);
    assert.deepEqual(await pm2.list(), {
      ok: false,
      problem: `the PM2 daemon runs (pid ${process.pid}), and its socket ${rpcSocket} was removed`,
      unreachable: { pid: process.pid, fault: 'cut_off' },
    });
  });
});

test('a daemon is known by its title although its PM2_HOME has another name', {
  skip: needs(HAS_PROCFS ? undefined : 'needs /proc'),
}, async (t) => {
  const { home, pidFile } = rig(t);
  const link = join(tempFolder(), 'link');
  symlinkSync(home, link);
  for (const [name, isOwn] of [
    [link, true],
    [`${home}/`, true],
    [tempFolder(), false],
  ] as const) {
    const argv0 = `PM2 v7.0.4: God Daemon (${name})`;
    const child = spawn(process.execPath, ['-e', 'console.log(); setInterval(() => {}, 1e6)'], { argv0 });
    t.after(() => child.kill());
    await once(child.stdout, 'data');
    writeFileSync(pidFile, String(child.pid));
    assert.equal(findDaemon(home), isOwn ? child.pid : null, name);
  }
});

test('several apps of one name are one, with the others beside it, and it is one that runs', async (t) => {
  const { pm2, rpcSocket } = rig(t);
  const listed = (name: string, pid: number, status: string) => ({ name, pid, pm2_env: { status, env: {} } });
  await openDaemon(t, rpcSocket, [
    listed('a', 0, 'stopped'),
    listed('b', 5, 'online'),
    listed('a', 7, 'online'),
    listed('a', 8, 'launching'),
  ]);
  const view = await pm2.list();
  const a = view.ok ? view.apps.get('a') : undefined;
  assert.deepEqual([a?.pid, a?.copies?.map(({ pid }) => pid)], [7, [null, 8]]);
  const b = view.ok ? view.apps.get('b') : undefined;
  assert.deepEqual([b?.pid, b?.copies], [5, undefined]);
  assert.deepEqual(
    [a, b].map((app) => app && countInstances(app)),
    [3, 1],
  );
});
