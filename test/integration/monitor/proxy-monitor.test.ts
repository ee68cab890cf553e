import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { parseConfig } from '../../../src/config/config.ts';
import { createHealth } from '../../../src/health/state.ts';
import type { Pm2Evidence, Remedy } from '../../../src/health/types.ts';
import { ProxyMonitor } from '../../../src/monitor/proxy-monitor.ts';
import type { AppDefinition } from '../../../src/pm2/apps.ts';
import { PENDING, type Pm2App, type Pm2View } from '../../../src/pm2/client.ts';
import { HAS_PROCFS } from '../../../src/system/proc/procfs.ts';
import { findListeners } from '../../../src/system/proc/socket-table.ts';
import { startChild } from '../../support/child-process.ts';
import { bindingAt, type FakeProxy, fakeProxy } from '../../support/proxy/fake-proxy.ts';
import { serve } from '../../support/proxy/proxy-harness.ts';
import { needs } from '../../support/requirements.ts';
import { until } from '../../support/until.ts';

const skip = needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)');

interface Scene {
  /** What PM2 says of the app; undefined: it does not have it. */
  app: Partial<Pm2App> | undefined;
  daemonPid: number;
  /** What PM2's list waits for. */
  list: Promise<void>;
  /** Why PM2 gives no list; null: it does. */
  listProblem: string | null;
  /** What a remedy waits for. */
  remedy: () => Promise<void>;
  onReport: () => void;
}

/** The monitor of a fake proxy, under a PM2 that says what a test sets. */
const rig = async (t: TestContext, proxy: FakeProxy, { intervalMs = 50 } = {}) => {
  const upstream = await serve(t, () => {});
  // What another test's checks have read of the socket table does not have it.
  findListeners(1);
  const parsed = parseConfig({
    proxies: [{ listen: '127.0.0.1:6274', upstream: `127.0.0.1:${upstream.port}` }],
    monitor: { intervalMs, fastIntervalMs: 20 },
  });
  assert.ok(parsed.ok);
  const [config] = parsed.config.proxies;
  assert.ok(config);
  const scene: Scene = {
    app: { pid: process.pid, status: 'online' },
    daemonPid: 77,
    list: Promise.resolve(),
    listProblem: null,
    remedy: async () => {},
    onReport: () => {},
  };
  const remedies: (readonly [remedy: Remedy, pid: number | null, daemonPid: number | null])[] = [];
  const lines: string[] = [];
  const notBefore: number[] = [];
  const proxyMonitor = new ProxyMonitor(config, {
    host: 'devbox',
    monitor: parsed.config.monitor,
    app: { name: config.name } as AppDefinition,
    files: {
      socket: proxy.socket,
      pidFile: `${proxy.socket}.pid`,
      failuresFile: `${proxy.socket}.failures`,
      lock: `${proxy.socket}.lock`,
    },
    record: { health: createHealth(Date.now()), daemonPid: null },
    restart: async (remedy, _, pid, daemonPid) => {
      remedies.push([remedy, pid, daemonPid]);
      await scene.remedy();
    },
    log: (_, text) => lines.push(text),
    listPm2: async (_, since = Number.NEGATIVE_INFINITY): Promise<Pm2View> => {
      notBefore.push(since);
      await scene.list;
      const { app, daemonPid, listProblem } = scene;
      if (listProblem !== null) return { ok: false, problem: listProblem };
      const whole: Pm2App = { pid: null, status: 'unknown', statusText: app?.status ?? '', env: {}, ...app };
      return { ok: true, daemonPid, apps: new Map(app ? [[config.name, whole]] : []) };
    },
    restartsPaused: () => false,
    onReport: () => scene.onReport(),
    onChange: () => {},
  });
  t.after(proxyMonitor.stop);
  const setPm2 = (status: Pm2Evidence | undefined, pid: number | null = process.pid): void => {
    scene.app = status && { status, pid };
  };
  return { proxyMonitor, scene, setPm2: setPm2, remedies, lines, notBefore };
};

/** A listener that lets the check of accepting wait until the test says so. */
const slowListener = async (t: TestContext) => {
  const waiting: Socket[] = [];
  const { port } = await serve(t, (socket: Socket) => {
    waiting.push(socket.on('error', () => {}));
  });
  return {
    port,
    isAsked: () => waiting.length > 0,
    answer: () => {
      for (const socket of waiting.splice(0)) socket.end();
    },
  };
};

describe('a check', { skip }, () => {
  test('that was under way when the monitor was stopped leads to nothing', async (t) => {
    const { proxyMonitor, scene, setPm2, remedies, lines, notBefore } = await rig(t, await fakeProxy(t));
    let goOn: () => void = () => {};
    scene.list = new Promise((done) => {
      goOn = done;
    });
    const asked = notBefore.length;
    await until(() => notBefore.length > asked, 'a check');
    proxyMonitor.stop();
    setPm2('gave_up', null);
    goOn();
    for (let turns = 0; turns < 200; turns += 1) await turn();
    assert.deepEqual([remedies, lines], [[], []]);
  });

  test('whose proxy answered, and went before it was over, is no success', async (t) => {
    const own = await slowListener(t);
    const proxy = await fakeProxy(t, { bindings: [bindingAt(own.port)] });
    const { proxyMonitor, setPm2 } = await rig(t, proxy);
    await until(own.isAsked, 'a check of accepting');
    setPm2('waiting_restart', null);
    await proxy.end('unexpected');
    await until(() => proxyMonitor.health().cause === 'crashed', 'the crash');
    own.answer();
    const lastCheckAt = proxyMonitor.lastCheckAt();
    await until(() => proxyMonitor.lastCheckAt() > lastCheckAt, 'the end of the check');
    const { incident, successes } = proxyMonitor.health();
    assert.deepEqual([incident?.recoveringSince, successes], [null, 0]);
  });
});

describe('a proxy that ends without a word', { skip }, () => {
  /** A proxy that is up, in a monitor that only checks when there is reason to. */
  const runUp = async (t: TestContext) => {
    const own = await serve(t, (socket) => socket.end());
    const proxy = await fakeProxy(t, { bindings: [bindingAt(own.port)] });
    const running = await rig(t, proxy, { intervalMs: 3_600_000 });
    await until(() => running.proxyMonitor.health().state === 'up', 'up');
    return { proxy, ...running };
  };
  const NOTHING = { total: 0, crash: 0, incident: null };
  const countsOf = ({ proxyMonitor }: { readonly proxyMonitor: ProxyMonitor }) => {
    const { failures, restarts, incident } = proxyMonitor.health();
    return { total: failures.total, crash: restarts.crash, incident: incident?.cause ?? null };
  };

  for (const status of ['stopping', 'stopped', undefined] as const)
    test(`was stopped by the operator, when PM2 then has it as ${status ?? 'deleted'}, however late the monitor is`, async (t) => {
      const running = await runUp(t);
      const { proxyMonitor, proxy, setPm2, lines, remedies } = running;
      setPm2(status, null);
      await proxy.end('unexpected');
      await until(() => proxyMonitor.health().state === 'stopped', 'stopped');
      assert.deepEqual([countsOf(running), lines, remedies], [NOTHING, [], []]);
    });

  test('is decided on by the list of 100 ms later: PM2 shows what it stops as given up for a moment', async (t) => {
    const running = await runUp(t);
    const { proxyMonitor, proxy, setPm2, notBefore } = running;
    const endedAt = performance.now();
    setPm2('stopped', null);
    await proxy.end('unexpected');
    await until(() => proxyMonitor.health().state === 'stopped', 'stopped');
    assert.ok((notBefore.at(-1) ?? 0) >= endedAt + 100);
  });

  test('within a check that has an older list is decided on by the next one', async (t) => {
    const running = await runUp(t);
    const { proxyMonitor, proxy, scene, setPm2, notBefore, lines } = running;
    let goOn: () => void = () => {};
    scene.list = new Promise((done) => {
      goOn = done;
    });
    const asked = notBefore.length;
    proxyMonitor.checkNow();
    await until(() => notBefore.length > asked, 'a check');
    // The list of this check is that of before the end.
    setPm2('gave_up', null);
    await proxy.end('unexpected');
    goOn();
    await until(() => proxyMonitor.lastCheck()?.evidence.pm2 === 'gave_up' || notBefore.length > asked + 1);
    setPm2('stopped', null);
    await until(() => proxyMonitor.health().state === 'stopped', 'stopped');
    assert.deepEqual([countsOf(running), lines], [NOTHING, []]);
  });

  test('has crashed, also when PM2 has restarted it before anybody could look, and has crashed once', async (t) => {
    const running = await runUp(t);
    const { proxyMonitor, proxy, setPm2 } = running;
    setPm2('online', process.ppid);
    await proxy.end('unexpected');
    await until(() => proxyMonitor.health().pid === process.ppid, 'the next process');
    assert.equal(countsOf(running).crash, 1);
  });

  test('has not crashed when it answers over the next connection', async (t) => {
    const running = await runUp(t);
    const { proxyMonitor, proxy } = running;
    const lastCheckAt = proxyMonitor.lastCheckAt();
    await proxy.end('unexpected');
    await proxy.serveAgain();
    await until(() => proxyMonitor.lastCheckAt() > lastCheckAt, 'the next check');
    assert.deepEqual([countsOf(running), proxyMonitor.health().state], [NOTHING, 'up']);
  });

  test('has crashed, when PM2 does not answer, and not before it is known that it does not', async (t) => {
    const running = await runUp(t);
    const { proxyMonitor, proxy, scene, notBefore } = running;
    scene.listProblem = PENDING;
    await proxy.end('unexpected');
    const asked = notBefore.length;
    await until(() => notBefore.length > asked + 3, 'checks');
    assert.deepEqual(countsOf(running), NOTHING);
    scene.listProblem = 'PM2 did not answer within 2000 ms';
    await until(() => proxyMonitor.health().incident !== null, 'the crash');
    assert.deepEqual(countsOf(running), { total: 1, crash: 1, incident: 'crashed' });
  });
});

test('a proxy that hangs just after a check is found and restarted long before the next check', {
  skip,
}, async (t) => {
  const child = startChild(t, 'sleep', ['1000']);
  const own = await serve(t, (socket) => socket.end());
  const proxy = await fakeProxy(t, { pid: child.pid, bindings: [bindingAt(own.port)] });
  const { proxyMonitor, setPm2, remedies, lines } = await rig(t, proxy, { intervalMs: 3_600_000 });
  setPm2('online', child.pid);
  await until(() => proxyMonitor.health().state === 'up', 'up');
  child.kill('SIGSTOP');
  await until(() => remedies.some(([remedy]) => remedy === 'force_restart'), 'restarted');
  assert.ok(lines.some((line) => line.includes('the process is stopped')));
});

describe('after a remedy', { skip }, () => {
  test('what PM2 said before it is no evidence any more', async (t) => {
    const proxy = await fakeProxy(t);
    const { setPm2, scene, remedies, notBefore } = await rig(t, proxy);
    let remediedAt = Number.POSITIVE_INFINITY;
    let asked = Number.POSITIVE_INFINITY;
    scene.remedy = async () => {
      setPm2('online');
      asked = notBefore.length;
      remediedAt = performance.now();
    };
    setPm2('gave_up', null);
    await until(() => notBefore.length > asked, 'a check after the remedy');
    assert.equal(remedies[0]?.[0], 'start');
    assert.ok((notBefore.at(-1) ?? 0) >= remediedAt);
  });
});

describe('an app that is to be brought back', { skip }, () => {
  test('is known by the daemon that had it: the operator may delete it before the remedy', async (t) => {
    const { setPm2, remedies } = await rig(t, await fakeProxy(t));
    setPm2('gave_up', null);
    await until(() => remedies.length > 0, 'a remedy');
    assert.deepEqual(remedies[0], ['start', null, 77]);
  });
});

test('an error of the monitor is no evidence against the proxy: it is logged once, counted and reported until it is over', {
  skip,
}, async (t) => {
  const own = await serve(t, (socket) => socket.end());
  const proxy = await fakeProxy(t, { bindings: [bindingAt(own.port)] });
  const { proxyMonitor, scene, remedies, lines } = await rig(t, proxy);
  await until(() => proxyMonitor.health().state === 'up', 'up');
  assert.equal(proxyMonitor.checkProblem(), null);
  const breakReports = (message: string): void => {
    scene.onReport = () => {
      throw new Error(message, { cause: new Error('the disk') });
    };
  };
  for (const [message, errors] of [
    ['the counts are broken', 3],
    ['and now the page', 6],
  ] as const) {
    breakReports(message);
    await until(() => proxyMonitor.metrics().checkErrors >= errors, 'errors');
    assert.equal(proxyMonitor.checkProblem(), `port 6274: ${message}`);
  }
  assert.deepEqual([proxyMonitor.health().state, proxyMonitor.health().incident, remedies], ['up', null, []]);
  scene.onReport = () => {};
  await until(() => proxyMonitor.checkProblem() === null, 'the end of it');
  assert.deepEqual(lines, [
    '⚠️  The monitor itself failed at the check of port 6274: the counts are broken',
    '⚠️  The monitor itself failed at the check of port 6274: and now the page',
    'The checks of port 6274 work again',
  ]);
});

test('a check that throws as a whole is an error of the monitor, too', { skip }, async (t) => {
  const { proxyMonitor, scene, remedies } = await rig(t, await fakeProxy(t));
  await until(() => proxyMonitor.lastCheck() !== null, 'a check');
  const { state } = proxyMonitor.health();
  scene.list = Promise.reject(new Error('no list'));
  scene.list.catch(() => {});
  await until(() => proxyMonitor.checkProblem() === 'port 6274: no list', 'the problem');
  assert.deepEqual([proxyMonitor.health().state, remedies], [state, []]);
  scene.list = Promise.resolve();
  await until(() => proxyMonitor.checkProblem() === null, 'the end of it');
});
