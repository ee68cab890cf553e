import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { connectControl } from '../../../src/ipc/client.ts';
import type { ProxyProtocol } from '../../../src/ipc/protocol.ts';
import { serveControl } from '../../../src/ipc/server.ts';
import { HAS_PROCFS } from '../../../src/system/proc/procfs.ts';
import { dial, echo, freePort, readBytes, serve } from '../../support/proxy/proxy-harness.ts';
import { needs } from '../../support/requirements.ts';
import { tempFolder } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

/** Long enough for a busy machine. */
const ANSWER_TIMEOUT_MS = 20_000;

interface Proxy {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Waits until it has told PM2 that it is ready. */
  untilReady(): Promise<unknown>;
  /** Waits for its end. @returns its exit code, or the signal that ended it */
  untilExit(): Promise<unknown>;
  hasLogged(text: string): boolean;
}

const rig = async (t: TestContext) => {
  const folder = tempFolder();
  const port = await freePort();
  const upstream = await serve(t, echo);
  const config = join(folder, 'steadyport.json');
  const proxies = [{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }];
  writeFileSync(config, JSON.stringify({ proxies }));
  const portFolder = join(folder, `home/ports/${port}`);
  const nextId = Array.from({ length: 9 }, (_, id) => String(id)).values();
  /** @param settings `pm_id` makes it an app of a PM2 daemon, which this process is: an app is its child, with an IPC channel */
  const start = (settings: NodeJS.ProcessEnv = { pm_id: nextId.next().value }): Proxy => {
    const child = fork('dist/cli.js', ['run', `tcp-proxy-${port}`], {
      env: {
        STEADYPORT_CONFIG: config,
        STEADYPORT_HOME: join(folder, 'home'),
        STEADYPORT_PROJECT: 'default',
        PM2_HOME: join(folder, 'pm2'),
        ...settings,
      },
      silent: true,
    });
    t.after(() => child.kill('SIGKILL'));
    const lines: string[] = [];
    if (child.stdout) createInterface(child.stdout).on('line', (line) => lines.push(line));
    let isReady = false;
    child.on('message', () => {
      isReady = true;
    });
    return {
      child,
      pid: child.pid ?? 0,
      untilReady: () => until(() => isReady, 'a proxy that is ready'),
      untilExit: () => until(() => child.signalCode ?? child.exitCode?.toString(), 'the end of a proxy'),
      hasLogged: (text) => lines.some((line) => line.includes(text)),
    };
  };
  /** The pid of the process that has the control socket. */
  const ownerPid = async (): Promise<number | undefined> => {
    const client = await connectControl<ProxyProtocol>(
      join(portFolder, 'control.sock'),
      ANSWER_TIMEOUT_MS,
    ).catch(() => undefined);
    const report = await client?.ask('report', null, ANSWER_TIMEOUT_MS).catch(() => undefined);
    client?.close();
    return report?.bindings.every(({ state }) => state === 'bound') ? report.pid : undefined;
  };
  return { folder, port, portFolder, start, ownerPid };
};

const talk = async (t: TestContext, port: number) => {
  const client = dial(t, { host: '127.0.0.1', port });
  client.write('hello');
  await readBytes(client, 5);
  return client;
};

test('a proxy that PM2 supervises stays, and another one stands by, ready, and serves when it is gone', async (t) => {
  const { folder, port, start, ownerPid } = await rig(t);
  const first = start();
  await first.untilReady();
  const client = await talk(t, port);
  const second = start();
  await second.untilReady();
  await until(() => second.hasLogged(`stands by, since pid ${first.pid} of this PM2 has the port`));
  client.write('again');
  assert.equal((await readBytes(client, 5)).toString(), 'again');
  assert.equal(await ownerPid(), first.pid);

  first.child.kill('SIGKILL');
  await until(async () => (await ownerPid()) === second.pid);
  assert.ok(second.hasLogged(`pid ${first.pid}, which had the port, leaves`));
  await talk(t, port);
  const third = start({ pm_id: '9', PM2_HOME: join(folder, 'other') });
  await third.untilReady();
  await until(() => third.hasLogged(`stands by, since pid ${second.pid}`));
  third.child.kill('SIGINT');
  assert.equal(await third.untilExit(), 'SIGINT');
});

test('a proxy that its PM2 has lost leaves for the one that PM2 runs under its number', async (t) => {
  const { start, ownerPid } = await rig(t);
  const lost = start({ pm_id: '7' });
  await lost.untilReady();
  const listed = start({ pm_id: '7' });
  await listed.untilReady();
  assert.ok(listed.hasLogged(`taken over from pid ${lost.pid}`));
  assert.equal(await lost.untilExit(), '0');
  assert.equal(await ownerPid(), listed.pid);
});

test('a proxy that stands by ends with its PM2', async (t) => {
  const { start, ownerPid } = await rig(t);
  const first = start();
  await first.untilReady();
  const second = start();
  await second.untilReady();
  second.child.disconnect();
  assert.equal(await second.untilExit(), '0');
  assert.equal(await ownerPid(), first.pid);
});

test('of several that start at the same moment one has the port and the socket, and the others stand by', async (t) => {
  const { start, ownerPid } = await rig(t);
  const proxies = [start(), start(), start()];
  await Promise.all(proxies.map(({ untilReady }) => untilReady()));
  const owner = await until(ownerPid);
  const others = proxies.filter(({ pid }) => pid !== owner);
  assert.equal(others.length, 2);
  for (const other of others) await until(() => other.hasLogged(`stands by, since pid ${owner}`));
});

test('a proxy that has lost its PM2 leaves, and one that was started by hand, and they are named without their pid file', async (t) => {
  const { portFolder, start, ownerPid } = await rig(t);
  const orphan = start();
  await orphan.untilReady();
  orphan.child.disconnect();
  rmSync(join(portFolder, 'pid'));
  const byHand = start({});
  await byHand.untilReady();
  assert.ok(byHand.hasLogged(`taken over from pid ${orphan.pid}, which PM2 no longer has`));
  rmSync(join(portFolder, 'pid'));
  const last = start();
  await last.untilReady();
  assert.ok(last.hasLogged(`taken over from pid ${byHand.pid}, which PM2 no longer has`));
  assert.equal(await ownerPid(), last.pid);
});

test('a proxy of an earlier version, which does not say who it is, is named all the same', {
  skip: needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)'),
}, async (t) => {
  const { portFolder, start } = await rig(t);
  const first = start();
  await first.untilReady();
  first.child.kill('SIGINT');
  await first.untilExit();
  const earlier = await serveControl<{ leave: { ask: null; reply: null } }>(
    join(portFolder, 'control.sock'),
    {
      leave: () => {
        setImmediate(() => void earlier.close());
        return null;
      },
    },
  );
  const second = start();
  await second.untilReady();
  assert.ok(second.hasLogged(`taken over from pid ${process.pid}, which PM2 no longer has`));
});

test('an app whose port the config does not have ends for good under PM2, and says why', async (t) => {
  const { folder, start } = await rig(t);
  writeFileSync(
    join(folder, 'steadyport.json'),
    JSON.stringify({ proxies: [{ listen: '9', upstream: 'localhost:9' }] }),
  );
  const app = start();
  assert.equal(await app.untilExit(), '78');
  await until(() => app.hasLogged('steadyport.json has no proxy "tcp-proxy-'));
  const byHand = start({});
  assert.equal(await byHand.untilExit(), '2');
});
