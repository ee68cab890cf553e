import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { createStarvationDetector } from '../../../src/system/proc/cpu-starvation.ts';
import { readCpuSchedule, readProcess } from '../../../src/system/proc/procfs.ts';
import { startChild, until } from '../../support/child-process.ts';
import { needs, needsProgram } from '../../support/requirements.ts';

const skip = needs(readCpuSchedule('self') ? undefined : 'needs /proc/self/schedstat (Linux)');
const FOREVER = 'while :; do :; done';
const LIMIT_MS = 120_000;

/** Some 100 ms of a CPU, however long that takes. */
const work = async (t: TestContext): Promise<void> => {
  await once(startChild(t, 'sh', ['-c', 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done']), 'exit');
};

interface Share {
  /** Whether the process was called starved. */
  readonly isStarved: boolean;
  /** The part of the time that it had a CPU. */
  readonly ran: number;
}

/** So long that the one excuse which ends after a while has ended. */
const SILENT_MS = 10_000;

/** What is said of the process, in a time in which this one was not starved itself and the process's share `fits`. */
const watched = async (
  t: TestContext,
  pid: number,
  fits: (ran: number) => boolean,
  meanwhile = () => work(t),
): Promise<Share> => {
  for (const giveUpAt = Date.now() + LIMIT_MS; Date.now() < giveUpAt; ) {
    const isSelfStarved = createStarvationDetector(null);
    const isStarved = createStarvationDetector(pid);
    const [startedAt, before] = [performance.now(), readCpuSchedule(pid)];
    await meanwhile();
    const after = readCpuSchedule(pid);
    const ran = ((after?.ranMs ?? 0) - (before?.ranMs ?? 0)) / (performance.now() - startedAt);
    const said = isStarved(SILENT_MS);
    if (!isSelfStarved(SILENT_MS) && fits(ran)) return { isStarved: said, ran };
  }
  return assert.fail('this machine was too busy, all the time');
};

describe('a process is starved when it wants a CPU and gets none', { skip, concurrency: false }, () => {
  test('one that computes without end is not', async (t) => {
    // Without the right to come first it computes all the same, and has to wait for a machine that is not busy.
    const { pid } = startChild(t, 'nice', ['-n', '-15', 'sh', '-c', FOREVER]);
    const { isStarved, ran } = await watched(t, pid, (share) => share > 0.35);
    assert.equal(isStarved, false, `it ran for ${ran} of the time`);
  });

  test('one that sleeps is not', async (t) => {
    const { pid } = startChild(t, 'sleep', ['1000']);
    await until(() => readProcess(pid)?.state === 'S', 'asleep');
    assert.equal((await watched(t, pid, () => true)).isStarved, false);
  });

  test('one that is stopped is not', async (t) => {
    const child = startChild(t, 'sh', ['-c', FOREVER]);
    child.kill('SIGSTOP');
    await until(() => readProcess(child.pid)?.state === 'T', 'stopped');
    assert.equal((await watched(t, child.pid, () => true)).isStarved, false);
  });

  test('one that goes meanwhile is not, nor one that is gone', async (t) => {
    const child = startChild(t, 'sh', ['-c', FOREVER]);
    const kill = async (): Promise<void> => {
      child.kill('SIGKILL');
      if (child.signalCode === null) await once(child, 'exit');
      await work(t);
    };
    for (let again = 0; again < 2; again += 1)
      assert.equal((await watched(t, child.pid, () => true, kill)).isStarved, false);
  });

  test('one beside others that come first is', {
    skip: needs(needsProgram('taskset', 'util-linux'), needsProgram('nice', 'coreutils')),
  }, async (t) => {
    const [cpu = '0'] =
      /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.slice(1) ?? [];
    for (let others = 0; others < 3; others += 1) startChild(t, 'taskset', ['-c', cpu, 'sh', '-c', FOREVER]);
    const { pid } = startChild(t, 'taskset', ['-c', cpu, 'nice', '-n', '19', 'sh', '-c', FOREVER]);
    await until(() => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sh\n', 'computing');
    const { isStarved, ran } = await watched(t, pid, (share) => share < 0.25);
    assert.equal(isStarved, true, `it ran for ${ran} of the time`);
  });
});
