import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { parseConfig } from '../../../src/config/config.ts';
import type { Heartbeat } from '../../../src/ipc/heartbeat.ts';
import { createProxyChecks } from '../../../src/monitor/checks/proxy.ts';
import { createStarvationDetector } from '../../../src/system/proc/cpu-starvation.ts';
import { readCpuSchedule, readProcess } from '../../../src/system/proc/procfs.ts';
import { startChild } from '../../support/child-process.ts';
import { needs, needsProgram } from '../../support/requirements.ts';
import { until } from '../../support/until.ts';

const skip = needs(readCpuSchedule('self') ? undefined : 'needs /proc/self/schedstat (Linux)');
const FOREVER = 'while :; do :; done';
const LIMIT_MS = 120_000;

/** Uses about 100 ms of a CPU, however long that takes. */
const work = async (t: TestContext): Promise<void> => {
  await once(startChild(t, 'sh', ['-c', 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done']), 'exit');
};

interface Share {
  /** Whether the detector called the process starved. */
  readonly isStarved: boolean;
  /** The share of the time that it ran on a CPU. */
  readonly ran: number;
}

/** Longer than the silence that a process short of CPU is excused for. */
const SILENT_MS = 10_000;

/** The verdict on the process, for a time in which this process was not starved itself and the other one's share `fits`. */
const watched = async (
  t: TestContext,
  pid: number,
  fits: (ran: number) => boolean,
  meanwhile = () => work(t),
): Promise<Share> => {
  for (const giveUpAt = Date.now() + LIMIT_MS; Date.now() < giveUpAt; ) {
    const isSelfStarved = createStarvationDetector(null);
    const isStarved = createStarvationDetector(pid);
    const startedAt = performance.now();
    const before = readCpuSchedule(pid);
    await meanwhile();
    const after = readCpuSchedule(pid);
    const ran = ((after?.ranMs ?? 0) - (before?.ranMs ?? 0)) / (performance.now() - startedAt);
    const result = isStarved(SILENT_MS);
    if (!isSelfStarved(SILENT_MS) && fits(ran)) return { isStarved: result, ran };
  }
  return assert.fail('this machine was too busy, all the time');
};

describe('a process is starved when it wants a CPU and gets none', { skip, concurrency: false }, () => {
  test('a process that computes without end is not', async (t) => {
    // Without the right to raise its priority it computes all the same; the test then waits until the machine is less busy.
    const { pid } = startChild(t, 'nice', ['-n', '-15', 'sh', '-c', FOREVER]);
    const { isStarved, ran } = await watched(t, pid, (share) => share > 0.35);
    assert.equal(isStarved, false, `it ran for ${ran} of the time`);
  });

  test('a process that sleeps is not', async (t) => {
    const { pid } = startChild(t, 'sleep', ['1000']);
    await until(() => readProcess(pid)?.state === 'S', 'asleep');
    assert.equal((await watched(t, pid, () => true)).isStarved, false);
  });

  test('a process that is stopped is not', async (t) => {
    const child = startChild(t, 'sh', ['-c', FOREVER]);
    child.kill('SIGSTOP');
    await until(() => readProcess(child.pid)?.state === 'T', 'stopped');
    assert.equal((await watched(t, child.pid, () => true)).isStarved, false);
  });

  test('a process that goes meanwhile is not, nor is one that is gone', async (t) => {
    const child = startChild(t, 'sh', ['-c', FOREVER]);
    const kill = async (): Promise<void> => {
      child.kill('SIGKILL');
      if (child.signalCode === null) await once(child, 'exit');
      await work(t);
    };
    for (let again = 0; again < 2; again += 1)
      assert.equal((await watched(t, child.pid, () => true, kill)).isStarved, false);
  });

  describe('beside others with a higher priority', {
    skip: needs(needsProgram('taskset', 'util-linux'), needsProgram('nice', 'coreutils')),
  }, () => {
    /** @returns the pid of a process that wants a CPU and hardly gets any of it */
    const startStarved = async (t: TestContext): Promise<number> => {
      const [cpu = '0'] =
        /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.slice(1) ?? [];
      for (let count = 0; count < 3; count += 1) startChild(t, 'taskset', ['-c', cpu, 'sh', '-c', FOREVER]);
      const { pid } = startChild(t, 'taskset', ['-c', cpu, 'nice', '-n', '19', 'sh', '-c', FOREVER]);
      await until(() => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sh\n', 'computing');
      return pid;
    };

    test('a process is', async (t) => {
      const { isStarved, ran } = await watched(t, await startStarved(t), (share) => share < 0.25);
      assert.equal(isStarved, true, `it ran for ${ran} of the time`);
    });

    test('the silence of a proxy says nothing', async (t) => {
      const parsed = parseConfig({ proxies: [{ listen: '6274', upstream: 'localhost:6274' }] });
      assert.ok(parsed.ok);
      const [config = assert.fail()] = parsed.config.proxies;
      const beat = async () => {
        await work(t);
        return { state: 'silent', report: null, responseMs: null } as const;
      };
      const checks = createProxyChecks(config, { beat } as unknown as Heartbeat, parsed.config.monitor);
      const heartbeatOf = async (pid: number) => {
        const app = { pid, status: 'online', statusText: 'online', env: {} } as const;
        const mode = { isUrgent: false, triggeredByQuickCheck: false, isLate: false };
        return (await checks.run('online', app, mode)).heartbeat;
      };
      const { pid: asleep } = startChild(t, 'sleep', ['1000']);
      await until(async () => (await heartbeatOf(asleep)) === 'silent', 'a silence that counts');
      const starved = await startStarved(t);
      await until(async () => (await heartbeatOf(starved)) === 'unknown', 'a silence that is excused');
    });
  });
});
