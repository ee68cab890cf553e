import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { createHeartbeat } from '../../../../src/ipc/heartbeat.ts';
import { quickCheck } from '../../../../src/monitor/checks/quick.ts';
import { HAS_PROCFS, readProcess } from '../../../../src/system/proc/procfs.ts';
import { findListeners } from '../../../../src/system/proc/socket-table.ts';
import { startChild } from '../../../support/child-process.ts';
import { fakeProxy, muteProxy } from '../../../support/proxy/fake-proxy.ts';
import { serve } from '../../../support/proxy/proxy-harness.ts';
import { needs } from '../../../support/requirements.ts';
import { until } from '../../../support/until.ts';

const skip = needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)');
const ALWAYS_READ_AGAIN = -1;

/** A connection to the control socket, over which one report has come. */
const heartbeatOf = async (t: TestContext, socket: string) => {
  const heartbeat = createHeartbeat(socket, () => {});
  t.after(heartbeat.close);
  assert.equal((await heartbeat.beat(30_000)).state, 'ok');
  return heartbeat;
};

/** A process that listens and then accepts nobody, because it is stopped. */
const stoppedListener = async (t: TestContext): Promise<{ pid: number; port: number }> => {
  const script = `const s = require('net').createServer().listen(0, '127.0.0.1', () => {
    console.log(s.address().port); process.kill(process.pid, 'SIGSTOP'); })`;
  const child = startChild(t, process.execPath, ['-e', script]);
  assert.ok(child.stdout);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  await until(() => readProcess(child.pid)?.state === 'T', 'stopped');
  return { pid: child.pid, port: Number(String(line)) };
};

describe('a quick check of a proxy', { skip }, () => {
  test('that is healthy is no reason to check', async (t) => {
    const proxy = await fakeProxy(t);
    const heartbeat = await heartbeatOf(t, proxy.socket);
    const own = await serve(t, (socket) => socket.end());
    // On a busy machine an answer may be late, which looks like a reason and costs one check.
    await until(
      async () => !(await quickCheck(heartbeat, process.pid, [own], ALWAYS_READ_AGAIN)),
      'no reason',
    );
    assert.deepEqual([...new Set(proxy.asked)], ['report', 'pulse']);
  });

  test('whose process is stopped is one, and nothing is asked', async (t) => {
    const proxy = await fakeProxy(t);
    const heartbeat = await heartbeatOf(t, proxy.socket);
    const { pid } = await stoppedListener(t);
    assert.equal(await quickCheck(heartbeat, pid, [], ALWAYS_READ_AGAIN), true);
    assert.deepEqual(proxy.asked, ['report']);
  });

  test('whose process has gone is one', async (t) => {
    const heartbeat = await heartbeatOf(t, (await fakeProxy(t)).socket);
    const child = startChild(t, 'true', []);
    await once(child, 'exit');
    assert.equal(await quickCheck(heartbeat, child.pid, [], ALWAYS_READ_AGAIN), true);
  });

  test('that does not answer is one', async (t) => {
    const heartbeat = await heartbeatOf(t, await muteProxy(t, 1));
    assert.equal(await quickCheck(heartbeat, process.pid, [], ALWAYS_READ_AGAIN), true);
  });

  test('that answers, and leaves a client in the queue, is one', async (t) => {
    const heartbeat = await heartbeatOf(t, (await fakeProxy(t)).socket);
    const { port } = await stoppedListener(t);
    const bound = { host: '127.0.0.1', port };
    await until(
      async () => !(await quickCheck(heartbeat, process.pid, [bound], ALWAYS_READ_AGAIN)),
      'nobody waits',
    );
    const client = connect(bound).on('error', () => {});
    t.after(() => client.destroy());
    await once(client, 'connect');
    assert.equal(await quickCheck(heartbeat, process.pid, [bound], ALWAYS_READ_AGAIN), true);
  });

  test('whose client is out of the queue a moment later is none', async (t) => {
    const heartbeat = await heartbeatOf(t, (await fakeProxy(t)).socket);
    const { pid, port } = await stoppedListener(t);
    const bound = { host: '127.0.0.1', port };
    const isReason = async (): Promise<boolean> => {
      process.kill(pid, 'SIGSTOP');
      await until(() => readProcess(pid)?.state === 'T', 'stopped');
      const client = connect(bound).on('error', () => {});
      t.after(() => client.destroy());
      await once(client, 'connect');
      // The table is read while the client waits, and once more after the answer.
      assert.equal(findListeners(port)?.[0]?.backlog, 1);
      const result = quickCheck(heartbeat, process.pid, [bound], 60_000);
      process.kill(pid, 'SIGCONT');
      await until(() => findListeners(port)?.[0]?.backlog === 0, 'accepted');
      return result;
    };
    // On a busy machine an accept may be late, which looks like a reason and costs one check.
    await until(async () => !(await isReason()), 'no reason');
  });
});
