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
import { until } from '../support/child-process.ts';
import { compiled } from '../support/compiled.ts';
import { ECOSYSTEM, openStation, openUpstream, type Station } from '../support/pm2-sandbox.ts';
import { freePort } from '../support/proxy-harness.ts';
import { needs } from '../support/requirements.ts';

/** A daemon with one app that does nothing, and what is heard of it. */
const rig = async (t: TestContext) => {
  const station = openStation();
  t.after(() => station.close());
  const script = join(station.folder, 'app.js');
  writeFileSync(script, "setInterval(() => {}, 1e6); process.on('message', () => process.exit(3));");
  const start = async (): Promise<void> => {
    const settings = ['--kill-timeout', '100', '--exp-backoff-restart-delay', '100'];
    const { code, stdout, stderr } = await station.pm2('start', script, '--name', 'app', ...settings);
    assert.equal(code, 0, stdout + stderr);
  };
  await start();
  const pm2 = createPm2(join(station.folder, 'pm2'));
  t.after(() => pm2.close());
  const heard: Pm2Event[] = [];
  pm2.subscribe((news) => heard.push(news));
  const hears = (event: string, ending: string | null = null): Promise<void> =>
    until(
      () => heard.some((news) => news.app === 'app' && news.event === event && news.ending === ending),
      `${event}, ${ending}, in ${JSON.stringify(heard)}`,
    );
  /** What is said once the bus is joined, which nobody tells, is heard. */
  const joined = async (): Promise<void> => {
    heard.length = 0;
    await until(async () => {
      assert.equal((await pm2.list()).ok, true);
      await station.pm2('restart', 'app');
      return heard.length > 0;
    }, 'news');
    await hears('restart');
    heard.length = 0;
  };
  return { station, start, pm2, heard, hears, joined };
};

const daemonPid = ({ folder }: Station): number => Number(readFileSync(join(folder, 'pm2/pm2.pid'), 'utf8'));

const killDaemon = async (station: Station): Promise<void> => {
  const pid = daemonPid(station);
  process.kill(pid, 'SIGKILL');
  await until(() => !isAlive(pid), 'the end of the daemon');
};

/** The app's process, once it runs. */
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

/** The unix sockets that this process has open. */
const openPipes = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === 'PipeWrap' || name === 'PipeConnectWrap').length;

describe("PM2's bus", { skip: needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)') }, () => {
  test('tells of every end and every start of an app, and how it ended', async (t) => {
    const { station, pm2, heard, hears, joined } = await rig(t);
    await joined();
    process.kill(await appPid(pm2), 'SIGKILL');
    await hears('exit', 'killed by SIGKILL');
    await hears('online');
    await station.pm2('stop', 'app');
    await hears('stop');
    assert.ok(heard.every(({ app }) => app === 'app'));
  });

  test('is gone with its daemon, starts none, and is there again with the next one', async (t) => {
    const { station, start, pm2, heard, hears, joined } = await rig(t);
    await joined();
    const before = openPipes();
    for (let daemons = 0; daemons < 3; daemons += 1) {
      const orphan = await appPid(pm2);
      await killDaemon(station);
      process.kill(orphan, 'SIGKILL');
      await until(() => openPipes() < before, 'the end of the connections');
      heard.length = 0;
      for (let lists = 0; lists < 5; lists += 1)
        assert.deepEqual(await pm2.list(), { ok: false, problem: 'the PM2 daemon is not running' });
      assert.equal(isAlive(daemonPid(station)), false, 'nobody has started a daemon');
      await start();
      await joined();
      process.kill(await appPid(pm2), 'SIGKILL');
      await hears('exit', 'killed by SIGKILL');
    }
    assert.ok(openPipes() <= before, `${openPipes()} connections, ${before} before`);
    pm2.close();
    await until(() => openPipes() < before, 'the end of the connections');
    heard.length = 0;
    await station.pm2('restart', 'app');
    assert.deepEqual(heard, []);
  });

  test('keeps no process alive', async (t) => {
    const { station } = await rig(t);
    const module = compiled('src/pm2/event-bus.ts').href;
    const code = `const { createPm2EventBus } = await import(process.argv[1]);
      createPm2EventBus(process.argv[2], () => {}).connectTo(1);
      // Who connects to a unix socket is connected, and is told so in the next turn of the loop.
      for (let turns = 0; turns < 10; turns += 1) await new Promise((done) => setImmediate(done));
      console.log('over');`;
    const args = ['--input-type=module', '-e', code, module, join(station.folder, 'pm2/pub.sock')];
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

test('what the operator does is seen at once, not at the next look', async (t) => {
  const [station, upstream, port] = [openStation(), await openUpstream(), await freePort()];
  t.after(() => station.close());
  t.after(() => upstream.close());
  const isIn = (state: ProxyStatus['state'], word: string) => (proxy: ProxyStatus) =>
    proxy.state === state && proxy.pm2 === word;
  const app = `tcp-proxy-${port}`;
  station.configure([{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }], {
    intervalMs: 600_000,
    fastIntervalMs: 600_000,
  });
  const started = await station.pm2('start', ECOSYSTEM);
  assert.equal(started.code, 0, started.stderr);
  await station.proxyUntil(port, isIn('up', 'online'));
  await station.pm2('stop', app);
  await station.proxyUntil(port, isIn('stopped', 'stopped'));
  await station.pm2('start', app);
  const back = await station.proxyUntil(port, isIn('up', 'online'));
  await station.pm2('restart', app);
  const again = await station.proxyUntil(
    port,
    (proxy) => isIn('up', 'online')(proxy) && proxy.pid !== back.pid,
  );
  assert.deepEqual([again.failures.total, again.restarts], [0, { crash: 0, forced: 0 }]);
});
