import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { createPm2, type Pm2 } from '../../src/pm2/client.ts';
import type { Pm2Event } from '../../src/pm2/event-bus.ts';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { HAS_PROCFS, isAlive } from '../../src/system/proc/procfs.ts';
import { compiled } from '../support/compiled.ts';
import { ECOSYSTEM, openPm2Sandbox, openUpstream, type Pm2Sandbox } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { trackOpenFiles } from '../support/proxy-observation.ts';
import { needs } from '../support/requirements.ts';
import { until } from '../support/until.ts';

/** A daemon with one app that does nothing, and the events that PM2 sends about it. */
const rig = async (t: TestContext) => {
  const sandbox = openPm2Sandbox();
  t.after(() => sandbox.close());
  const script = join(sandbox.folder, 'app.js');
  writeFileSync(script, "setInterval(() => {}, 1e6); process.on('message', () => process.exit(3));");
  const start = async (): Promise<void> => {
    const settings = ['--kill-timeout', '100', '--exp-backoff-restart-delay', '100'];
    await sandbox.pm2('start', script, '--name', 'app', ...settings);
  };
  await start();
  const pm2 = createPm2(join(sandbox.folder, 'pm2'));
  t.after(() => pm2.close());
  const events: Pm2Event[] = [];
  pm2.subscribe((event) => events.push(event));
  const waitForEvent = async (event: string, ending: string | null = null): Promise<void> => {
    await until(
      () => events.some((entry) => entry.app === 'app' && entry.event === event && entry.ending === ending),
      `${event}, ${ending}`,
    );
  };
  /** Nothing announces the connection to the bus: restarts the app until one of the events arrives. */
  const connect = async (): Promise<void> => {
    events.length = 0;
    await until(async () => {
      assert.equal((await pm2.list()).ok, true);
      await sandbox.pm2('restart', 'app');
      return events.length > 0;
    }, 'an event');
    await waitForEvent('restart');
    events.length = 0;
  };
  return { sandbox, start, pm2, events, waitForEvent, connect };
};

const daemonPid = ({ folder }: Pm2Sandbox): number =>
  Number(readFileSync(join(folder, 'pm2/pm2.pid'), 'utf8'));

const killDaemon = async (sandbox: Pm2Sandbox): Promise<void> => {
  const pid = daemonPid(sandbox);
  process.kill(pid, 'SIGKILL');
  await until(() => !isAlive(pid), 'the end of the daemon');
};

/** Waits for the app to run. @returns the pid of its process */
const appPid = async (pm2: Pm2): Promise<number> => {
  let pid: number | null = null;
  await until(async () => {
    const view = await pm2.list();
    const app = view.ok ? view.apps.get('app') : undefined;
    pid = app?.status === 'online' ? app.pid : null;
    return pid !== null;
  }, 'a process');
  return Number(pid);
};

/** Counts the connections to the daemon's bus. In /proc/net/unix, 03 is the state of one that is connected (SS_CONNECTED). */
const countBusClients = ({ folder }: Pm2Sandbox): number =>
  readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .filter((line) => / 03 +\d+ /.test(line) && line.endsWith(join(folder, 'pm2/pub.sock'))).length;

const skip = needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)');

describe("PM2's bus", { skip }, () => {
  test('reports every end and every start of an app, and how it ended', async (t) => {
    const { sandbox, pm2, events, waitForEvent, connect } = await rig(t);
    await connect();
    process.kill(await appPid(pm2), 'SIGKILL');
    await waitForEvent('exit', 'killed by SIGKILL');
    await waitForEvent('online');
    await sandbox.pm2('stop', 'app');
    await waitForEvent('stop');
    assert.ok(events.every(({ app }) => app === 'app'));
  });

  test('ends with its daemon, starts none, and connects again to the next one', async (t) => {
    const openFiles = trackOpenFiles();
    const { sandbox, start, pm2, events, waitForEvent, connect } = await rig(t);
    await connect();
    for (let daemons = 0; daemons < 3; daemons += 1) {
      const orphan = await appPid(pm2);
      await killDaemon(sandbox);
      process.kill(orphan, 'SIGKILL');
      await until(() => openFiles().length === 0, 'the end of the connections');
      events.length = 0;
      for (let lists = 0; lists < 5; lists += 1)
        assert.deepEqual(await pm2.list(), { ok: false, problem: 'the PM2 daemon is not running' });
      assert.equal(isAlive(daemonPid(sandbox)), false, 'nobody has started a daemon');
      await start();
      await connect();
      process.kill(await appPid(pm2), 'SIGKILL');
      await waitForEvent('exit', 'killed by SIGKILL');
    }
    assert.equal(countBusClients(sandbox), 1);
    pm2.close();
    await until(() => openFiles().length === 0, 'the end of the connections');
    events.length = 0;
    await sandbox.pm2('restart', 'app');
    assert.deepEqual(events, []);
  });

  test('keeps no process alive', async (t) => {
    const { sandbox } = await rig(t);
    const module = compiled('src/pm2/event-bus.ts').href;
    const code = `const { createPm2EventBus } = await import(process.argv[1]);
      createPm2EventBus(process.argv[2], () => {}).connectTo(1);
      // A connection to a unix socket is made at once; its event comes in the next turn of the loop.
      for (let turns = 0; turns < 10; turns += 1) await new Promise((done) => setImmediate(done));
      console.log('over');`;
    const args = ['--input-type=module', '-e', code, module, join(sandbox.folder, 'pm2/pub.sock')];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    assert.deepEqual(await once(child, 'close'), [0, null]);
    assert.equal(output, 'over\n');
  });
});

test("the operator's actions are noticed at once, not only at the next check", { skip }, async (t) => {
  const sandbox = openPm2Sandbox();
  const upstream = await openUpstream();
  const port = await freePort();
  t.after(() => sandbox.close());
  t.after(() => upstream.close());
  const isIn = (state: ProxyStatus['state'], pm2Status: string) => (proxy: ProxyStatus) =>
    proxy.state === state && proxy.pm2 === pm2Status;
  const app = `tcp-proxy-${port}`;
  sandbox.configure([{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }], {
    intervalMs: 600_000,
    fastIntervalMs: 600_000,
  });
  await sandbox.pm2('start', ECOSYSTEM);
  await sandbox.proxyUntil(port, ({ state }) => state === 'up');
  // PM2 may have been too busy to answer at the first check.
  await until(async () => {
    await sandbox.trigger('check-now');
    return (await sandbox.ask())?.proxies.some(isIn('up', 'online'));
  }, 'an answer of PM2');
  await until(() => countBusClients(sandbox) > 0, "the monitor's connection to the bus");
  await sandbox.pm2('stop', app);
  await sandbox.proxyUntil(port, isIn('stopped', 'stopped'));
  await sandbox.pm2('start', app);
  const back = await sandbox.proxyUntil(port, isIn('up', 'online'));
  await sandbox.pm2('restart', app);
  const again = await sandbox.proxyUntil(
    port,
    (proxy) => isIn('up', 'online')(proxy) && proxy.pid !== back.pid,
  );
  assert.deepEqual([again.failures.total, again.restarts], [0, { crash: 0, forced: 0 }]);
});
