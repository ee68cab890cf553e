import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type MonitorConfig, parseConfig } from '../../../../src/config/config.ts';
import type { Evidence, Pm2Evidence } from '../../../../src/health/types.ts';
import { type CheckReport, createEvidenceCollector } from '../../../../src/monitor/checks/collect.ts';
import { HAS_PROCFS, processStartedAt, readProcess } from '../../../../src/system/proc/procfs.ts';
import { findListeners } from '../../../../src/system/proc/socket-table.ts';
import { startChild } from '../../../support/child-process.ts';
import { bindingAt, type FakeProxy, fakeProxy } from '../../../support/proxy/fake-proxy.ts';
import { freePort, serve } from '../../../support/proxy/proxy-harness.ts';
import { needs } from '../../../support/requirements.ts';
import { tempFolder } from '../../../support/temp-dir.ts';
import { until } from '../../../support/until.ts';

const skip = needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)');

interface CheckOptions {
  readonly pid?: number | null;
  readonly status?: Pm2Evidence;
  readonly isUrgent?: boolean;
  /** False: silence is what is wanted. Otherwise it says that this machine was too busy, and there is one more check. */
  readonly answers?: boolean;
}

/** A collector of the proxy at `socket`, in front of an upstream that is only looked up in the socket table. */
const rig = (
  t: TestContext,
  socket: string,
  upstreamPort: number,
  proxy = {},
  monitor: Partial<MonitorConfig> = {},
) => {
  const parsed = parseConfig({
    proxies: [{ listen: '127.0.0.1:6274', upstream: `127.0.0.1:${upstreamPort}`, ...proxy }],
  });
  assert.ok(parsed.ok, JSON.stringify(parsed));
  const [config] = parsed.config.proxies;
  assert.ok(config);
  const ends: string[] = [];
  let onEnd: () => void = () => {};
  const collector = createEvidenceCollector(config, { ...parsed.config.monitor, ...monitor }, socket);
  collector.subscribe((event) => {
    if (event.kind !== 'connection_ended') return;
    ends.push(event.end);
    onEnd();
  });
  t.after(collector.close);
  return {
    collector,
    ends,
    ended: () =>
      new Promise<void>((done) => {
        onEnd = done;
      }),
    check: async ({
      pid = process.pid,
      status = 'online',
      isUrgent = false,
      answers = status === 'online',
    }: CheckOptions = {}): Promise<CheckReport> => {
      const app = { pid, status, statusText: status, env: {} };
      for (const giveUpAt = Date.now() + 60_000; ; ) {
        findListeners(1);
        const checkReport = await collector.collect(
          { status, app },
          { isUrgent, triggeredByQuickCheck: false, isLate: false },
        );
        const { heartbeat, accepts, process } = checkReport.evidence;
        const isMute = heartbeat === 'silent' || (heartbeat === 'unknown' && process !== 'stopped');
        if (!answers || (!isMute && accepts !== 'failed')) return checkReport;
        assert.ok(Date.now() < giveUpAt, 'no answer, check after check');
      }
    },
  };
};

const some = ({ evidence }: CheckReport, ...kinds: readonly (keyof Evidence)[]) =>
  kinds.map((kind) => (evidence as Evidence)[kind]);

/** A listener that treats a check as a proxy does: it accepts, and closes. */
const accepting = (t: TestContext) => serve(t, (socket: Socket) => socket.end());

describe('a proxy that is well', { skip }, () => {
  test('is seen so, and in one check', async (t) => {
    const upstream = await serve(t, () => assert.fail('the upstream was touched'));
    const own = await accepting(t);
    const proxy = await fakeProxy(t, { bindings: [bindingAt(own.port)] });
    const { check } = rig(t, proxy.socket, upstream.port);
    const { evidence, isProbed, pid, checkedAddress } = await check();
    assert.deepEqual(evidence, {
      monitor: 'in_time',
      pm2: 'online',
      stopping: 'no',
      startFiles: 'unknown',
      process: 'alive',
      heartbeat: 'ok',
      dataPath: 'unknown',
      listening: 'all',
      accepts: 'ok',
      upstream: 'ok',
      endToEnd: 'unknown',
      openFiles: 'ok',
      memory: 'unknown',
      cpu: 'unknown',
      lag: 'unknown',
    });
    assert.deepEqual(
      [isProbed, pid, checkedAddress],
      [true, process.pid, { host: '127.0.0.1', port: own.port }],
    );
    assert.deepEqual([...new Set(proxy.asked)], ['report', 'expect_check']);
  });

  test('has its accepting checked in its own time, and at each check that is urgent', async (t) => {
    const own = await accepting(t);
    const proxy = await fakeProxy(t, { bindings: [bindingAt(own.port)] });
    const { check } = rig(t, proxy.socket, own.port, {}, { probeIntervalMs: 3_600_000 });
    for (const isUrgent of [false, false, true, false]) await check({ isUrgent });
    const checks = proxy.asked.filter((ask) => ask === 'expect_check');
    assert.equal(checks.length, 2);
  });

  test('says itself how the thread is that moves its bytes', async (t) => {
    const proxy = await fakeProxy(t, { dataPath: 'stuck' });
    const { check } = rig(t, proxy.socket, await freePort());
    assert.deepEqual(some(await check(), 'heartbeat', 'dataPath'), ['ok', 'stuck']);
  });
});

describe('the control socket', { skip }, () => {
  test('that is not there: the port decides, and a listener of another process proves nothing', async (t) => {
    const socket = join(tempFolder(), 'control.sock');
    const port = await freePort();
    const { check } = rig(t, socket, await freePort(), { listen: `127.0.0.1:${port}` });
    const accepts = async (pid: number) =>
      some(await check({ pid, answers: false }), 'heartbeat', 'listening', 'accepts');
    // Where the machine is too busy nothing is known.
    await until(async () => String(await accepts(process.pid)) === 'unreachable,unknown,failed');
    const listener = createServer((client) => client.on('error', () => {})).listen(port, '127.0.0.1');
    await once(listener, 'listening');
    t.after(() => listener.close());
    await until(async () => String(await accepts(process.pid)) === 'unreachable,unknown,ok');
    const { pid } = startChild(t, 'sleep', ['1000']);
    assert.deepEqual(await accepts(pid), ['unreachable', 'unknown', 'unknown']);
  });

  test('that is not there yet: a process that has just started gets no connection', async (t) => {
    const { check } = rig(t, join(tempFolder(), 'control.sock'), await freePort());
    const { pid } = startChild(t, 'sleep', ['1000']);
    const acceptsNow = async () => some(await check({ pid, answers: false }), 'accepts')[0];
    const first = await acceptsNow();
    const ageMs = Date.now() - (processStartedAt(pid) ?? 0);
    assert.ok(first === 'unknown' || ageMs >= 3_000, `${first} after ${ageMs} ms`);
    await until(async () => (await acceptsNow()) === 'failed', 'a connection that nobody takes');
  });

  test('that nobody answers on is silent', async (t) => {
    const path = join(tempFolder(), 'control.sock');
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket));
    await once(server.listen(path), 'listening');
    t.after(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    const { check } = rig(t, path, await freePort());
    const { pid } = startChild(t, 'sleep', ['1000']);
    // Where the machine is too busy nothing is known.
    await until(async () => {
      const [heartbeat] = some(await check({ pid, answers: false }), 'heartbeat');
      assert.ok(heartbeat === 'silent' || heartbeat === 'unknown', heartbeat);
      return heartbeat === 'silent';
    }, 'silent');
  });

  for (const status of ['stopped', 'deleted', 'gave_up'] as const)
    test(`is not asked when PM2 says ${status}`, async (t) => {
      const proxy = await fakeProxy(t);
      const { check } = rig(t, proxy.socket, await freePort());
      assert.deepEqual(some(await check({ status }), 'pm2', 'heartbeat'), [status, 'unknown']);
      assert.deepEqual(proxy.asked, []);
    });

  for (const how of ['announced', 'unexpected'] as const)
    test(`that ends is told: ${how}`, async (t) => {
      const proxy = await fakeProxy(t);
      const { check, ends, ended } = rig(t, proxy.socket, await freePort());
      await check();
      const reported = ended();
      await proxy.end(how);
      await reported;
      assert.deepEqual(ends, [how]);
      assert.deepEqual(some(await check(), 'heartbeat'), ['unreachable']);
    });

  test('that ends after its answer, and within the check, makes the evidence outdated', async (t) => {
    await until(async () => {
      const own = await serve(t, async (socket) => {
        const reported = ended();
        await proxy.end('unexpected');
        await reported;
        socket.end();
      });
      const proxy = await fakeProxy(t, { bindings: [bindingAt(own.port)] });
      const { check, ended } = rig(t, proxy.socket, own.port);
      const checkReport = await check({ answers: false });
      // Where the machine is too busy the check ends without the answers.
      const [heartbeat, accepts] = some(checkReport, 'heartbeat', 'accepts');
      if (heartbeat !== 'ok' || accepts !== 'ok') return false;
      assert.equal(checkReport.isOutdated, true);
      assert.equal((await check({ answers: false })).isOutdated, false);
      return true;
    }, 'both answers in time');
  });

  test('that the collector closes itself is no end', async (t) => {
    const proxy = await fakeProxy(t);
    const { check, ends, collector } = rig(t, proxy.socket, await freePort());
    await check();
    collector.close();
    await proxy.end('unexpected');
    assert.deepEqual(ends, []);
  });

  test('carries the wish to listen again', async (t) => {
    const proxy = await fakeProxy(t);
    const { check, collector } = rig(t, proxy.socket, await freePort());
    await assert.rejects(collector.relisten(), /no connection to the proxy/);
    await check();
    await collector.relisten();
    assert.deepEqual([...new Set(proxy.asked)], ['report', 'listen_again']);
  });
});

describe('the process', { skip }, () => {
  const nobody = async (t: TestContext) =>
    rig(t, join(tempFolder(), 'control.sock'), await freePort(), {}, { probeIntervalMs: 3_600_000 });

  test('that is stopped is seen without waiting for its answer', async (t) => {
    const child = startChild(t, 'sleep', ['1000']);
    child.kill('SIGSTOP');
    await until(() => readProcess(child.pid)?.state === 'T', 'stopped');
    const proxy = await fakeProxy(t);
    const { check } = rig(t, proxy.socket, await freePort());
    assert.deepEqual(some(await check({ pid: child.pid }), 'process', 'heartbeat'), ['stopped', 'unknown']);
    assert.deepEqual(proxy.asked, []);
  });

  test('is that of the last report while PM2 does not tell', async (t) => {
    const child = startChild(t, 'sleep', ['1000']);
    const proxy = await fakeProxy(t, { pid: child.pid });
    const { check } = rig(t, proxy.socket, await freePort());
    await check({ pid: child.pid });
    const unknown = { pid: null, status: 'unknown', answers: false } as const;
    child.kill('SIGSTOP');
    await until(() => readProcess(child.pid)?.state === 'T', 'stopped');
    const stopped = await check(unknown);
    assert.deepEqual([stopped.pid, ...some(stopped, 'process')], [child.pid, 'stopped']);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await proxy.end('unexpected');
    const gone = await check(unknown);
    assert.deepEqual([gone.pid, ...some(gone, 'process', 'heartbeat')], [child.pid, 'gone', 'unreachable']);
  });

  test('that has gone', async (t) => {
    const child = startChild(t, 'true', []);
    await once(child, 'exit');
    const { check } = await nobody(t);
    assert.deepEqual(some(await check({ pid: child.pid }), 'process'), ['gone']);
  });

  test('that is a zombie', async (t) => {
    const parent = startChild(t, 'sh', ['-c', 'sleep 1000 & echo $!; exec sleep 1000']);
    assert.ok(parent.stdout);
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(String(line));
    // A shell would take note of its end; what it has become by then does not.
    await until(() => readFileSync(`/proc/${parent.pid}/comm`, 'utf8') === 'sleep\n', 'no shell any more');
    process.kill(pid, 'SIGKILL');
    await until(() => readProcess(pid)?.state === 'Z', 'a zombie');
    const { check } = await nobody(t);
    assert.deepEqual(some(await check({ pid }), 'process'), ['zombie']);
  });

  test('that nobody knows the pid of, while nobody listens on the port', async (t) => {
    const { check } = await nobody(t);
    const report = await check({ pid: null, answers: false });
    assert.deepEqual(some(report, 'process', 'accepts'), ['unknown', 'failed']);
  });
});

describe('what a proxy says of its addresses', { skip }, () => {
  /** @param taken a port that somebody listens on */
  const table: Readonly<
    Record<string, readonly [(taken: number, free: number) => FakeReport, Evidence['listening']]>
  > = {
    'one that is bound': [(taken) => [bindingAt(taken)], 'all'],
    'one that is called bound, and that the kernel does not know': [(_, free) => [bindingAt(free)], 'none'],
    'one bound, one in use': [(taken, free) => [bindingAt(taken), bindingAt(free, 'in_use')], 'some'],
    'one bound, one failed': [(taken, free) => [bindingAt(taken), bindingAt(free, 'failed')], 'all'],
    'one in use': [(taken) => [bindingAt(taken, 'in_use')], 'in_use'],
    'one failed': [(_, free) => [bindingAt(free, 'failed')], 'none'],
    'one denied': [(_, free) => [denied(free, 'EACCES')], 'denied'],
    'one denied, one bound': [(taken, free) => [denied(free, 'EACCES'), bindingAt(taken)], 'all'],
    'one that failed for want of files': [(_, free) => [denied(free, 'EMFILE')], 'none'],
    'one not needed': [(taken) => [bindingAt(taken, 'not_needed')], 'not_needed'],
    'one not needed, one in use': [
      (taken, free) => [bindingAt(taken, 'not_needed'), bindingAt(free, 'in_use')],
      'in_use',
    ],
    none: [() => [], 'none'],
  };
  for (const [name, [bindings, listening]] of Object.entries(table))
    test(`${name}: ${listening}`, async (t) => {
      const own = await accepting(t);
      const proxy = await fakeProxy(t, { bindings: bindings(own.port, await freePort()) });
      const { check } = rig(t, proxy.socket, own.port);
      assert.deepEqual(some(await check(), 'heartbeat', 'listening'), ['ok', listening]);
    });
});
const denied = (port: number, code: string) => ({ ...bindingAt(port, 'failed'), code });
type FakeReport = NonNullable<Parameters<typeof fakeProxy>[1]>['bindings'] & object;

describe('an address that a proxy does not have is named with the reason and the cure', { skip }, () => {
  const owner = { pid: 9, command: 'python3 -m http.server', uid: 0 };
  const problems: readonly (readonly [FakeReport[number], RegExp | null, advice?: RegExp])[] = [
    [bindingAt(81), null],
    [bindingAt(81, 'not_needed'), null],
    [bindingAt(6274, 'in_use'), /^127\.0\.0\.1:6274 is held by another process$/],
    [
      { ...bindingAt(6274, 'in_use'), portOwner: owner },
      /^127\.0\.0\.1:6274 is held by pid 9 \(python3 -m http\.server\)$/,
    ],
    [
      denied(81, 'EACCES'),
      /^127\.0\.0\.1:81 needs a privilege \(EACCES\)$/,
      /another port.*ip_unprivileged_port_start=81.* setcap 'cap_net_bind/,
    ],
    [denied(6274, 'EACCES'), /^127\.0\.0\.1:6274 is not permitted \(EACCES\)$/],
    [
      { ...denied(0, 'EACCES'), host: '/run/app.sock', address: 'unix:/run/app.sock' },
      /^unix:\/run\/app\.sock may not be made in its folder \(EACCES\)$/,
    ],
    [
      denied(6274, 'EADDRNOTAVAIL'),
      /^127\.0\.0\.1:6274 is not an address of this machine \(EADDRNOTAVAIL\)$/,
      /^See ip addr, or correct "listen"$/,
    ],
    [denied(6274, 'EAFNOSUPPORT'), /^127\.0\.0\.1:6274 cannot be bound \(EAFNOSUPPORT\)$/],
  ];
  for (const [binding, expected, advice] of problems)
    test(`${binding.state} ${binding.port} ${binding.code ?? ''} ${binding.portOwner?.command ?? ''}`, async (t) => {
      const proxy = await fakeProxy(t, { bindings: [binding] });
      const { check } = rig(t, proxy.socket, await freePort());
      const { listenProblem, listenAdvice } = await check();
      if (expected === null) assert.equal(listenProblem, null);
      else assert.match(listenProblem ?? '', expected);
      if (advice === undefined) assert.equal(listenAdvice, null);
      else assert.match(listenAdvice ?? '', advice);
    });

  test('and the cure is there once for two addresses', async (t) => {
    const bindings = [denied(81, 'EACCES'), { ...denied(81, 'EACCES'), host: '::1', address: '[::1]:81' }];
    const proxy = await fakeProxy(t, { bindings });
    const { check } = rig(t, proxy.socket, await freePort());
    const { listenProblem, listenAdvice } = await check();
    assert.equal(listenProblem, 'each of 127.0.0.1:81 and [::1]:81 needs a privilege (EACCES)');
    assert.equal(listenAdvice?.match(/sysctl/g)?.length, 1);
  });

  test('and beside those that it serves', async (t) => {
    const bindings = [
      bindingAt(6274, 'in_use'),
      bindingAt(6274, 'in_use', '192.0.2.1'),
      bindingAt(6274, 'bound', '192.0.2.2'),
    ];
    const proxy = await fakeProxy(t, { bindings });
    const { check } = rig(t, proxy.socket, await freePort());
    assert.equal(
      (await check({ answers: false })).listenProblem,
      'each of 127.0.0.1:6274 and 192.0.2.1:6274 is held by another process; the proxy serves 192.0.2.2:6274',
    );
  });
});

test('a listener that takes a connection and does nothing with it does not accept', { skip }, async (t) => {
  const own = await serve(t, () => {});
  const proxy = await fakeProxy(t, { bindings: [bindingAt(own.port)] });
  const { check } = rig(t, proxy.socket, own.port);
  const { pid } = startChild(t, 'sleep', ['1000']);
  await until(async () => {
    const checkReport = await check({ pid, answers: false });
    const [accepts] = some(checkReport, 'accepts');
    assert.ok(accepts === 'failed' || accepts === 'unknown', accepts);
    if (accepts === 'failed') assert.match(checkReport.detail ?? '', /accepted nothing within 300 ms/);
    return accepts === 'failed';
  }, 'not accepting');
});

describe('what a process uses', { skip }, () => {
  const LIMITS = { limits: { openFilesPercent: { warn: 5, restart: 10 } } };
  /** A process with three open files of so many. */
  const limited = async (t: TestContext, files: number): Promise<number> => {
    const child = startChild(t, 'sh', ['-c', `ulimit -n ${files}; echo; exec sleep 1000`]);
    assert.ok(child.stdout);
    await once(child.stdout, 'data');
    return child.pid;
  };
  const usedBy = async (proxy: FakeProxy, pid: number, check: () => Promise<CheckReport>) => {
    proxy.announce({ pid });
    return some(await check(), 'openFiles')[0];
  };

  test('is held against the limits, and told', async (t) => {
    const proxy = await fakeProxy(t);
    const { check } = rig(t, proxy.socket, await freePort(), LIMITS);
    assert.equal(await usedBy(proxy, await limited(t, 20), check), 'restart');
    const { usage, explain } = await check();
    assert.equal(usage.openFilesLimit, 20);
    assert.match(explain('open_files_limit') ?? '', /^\d of 20 open files$/);
    assert.equal(explain('hung'), null);
  });

  test('is that of the process of now, from its first check on', async (t) => {
    const proxy = await fakeProxy(t);
    const { check } = rig(t, proxy.socket, await freePort(), LIMITS);
    assert.equal(await usedBy(proxy, await limited(t, 20), check), 'restart');
    assert.equal(await usedBy(proxy, await limited(t, 1_000), check), 'ok');
  });
});
