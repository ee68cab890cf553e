import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { describe, type TestContext, test } from 'node:test';
import { localAddresses } from '../../../src/system/proc/network-interfaces.ts';
import { HAS_PROCFS, isAlive, readProcess } from '../../../src/system/proc/procfs.ts';
import { needs } from '../../support/requirements.ts';
import { tempFolder } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

const skip = needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)');

const start = (t: TestContext, file: string, args: readonly string[], argv0 = file): ChildProcess => {
  const child = spawn(file, args, { argv0, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  return child;
};
const pidOf = ({ pid }: ChildProcess): number => {
  assert.ok(pid);
  return pid;
};

describe('a process', { skip }, () => {
  test('that runs has a state and a start time that stays', () => {
    const first = readProcess(process.pid);
    assert.ok(first && 'RS'.includes(first.state), first?.state);
    assert.ok(Number.isInteger(first.startTicks) && first.startTicks > 0);
    assert.equal(readProcess(process.pid)?.startTicks, first.startTicks);
    assert.equal(isAlive(process.pid), true);
  });

  test('may have brackets, spaces and another state in its name', (t) => {
    const path = join(tempFolder(), 'a) Z 1 (b');
    symlinkSync('/bin/sleep', path);
    const pid = pidOf(start(t, path, ['1000'], 'sleep'));
    const stat = readProcess(pid);
    assert.ok(stat && 'RSD'.includes(stat.state), stat?.state);
    assert.ok(stat.startTicks >= (readProcess(process.pid)?.startTicks ?? 0));
    assert.equal(isAlive(pid), true);
  });

  test('that was stopped is alive, in state T', async (t) => {
    const child = start(t, 'sleep', ['1000']);
    child.kill('SIGSTOP');
    await until(() => readProcess(pidOf(child))?.state === 'T', 'state T');
    assert.equal(isAlive(pidOf(child)), true);
  });

  test('whose parent has not waited for it is a zombie, and not alive', async (t) => {
    // The shell becomes a sleep, which waits for no child; the child ends only after that, at the end of fd 3.
    const child = spawn('sh', ['-c', 'read line <&3 & echo $!; exec sleep 1000'], {
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    });
    t.after(() => child.kill('SIGKILL'));
    const [, stdout, , hold] = child.stdio;
    assert.ok(stdout && hold instanceof Writable);
    const [text] = (await once(stdout, 'data')) as [Buffer];
    const pid = Number(text.toString());
    await until(() => readFileSync(`/proc/${child.pid}/comm`, 'utf8') === 'sleep\n', 'sleep');
    assert.equal(isAlive(pid), true);
    hold.end();
    await until(() => readProcess(pid)?.state === 'Z', 'state Z');
    assert.equal(isAlive(pid), false);
  });

  test('that is gone has no state', async (t) => {
    const child = start(t, 'true', []);
    await once(child, 'exit');
    assert.equal(readProcess(pidOf(child)), undefined);
    assert.equal(isAlive(pidOf(child)), false);
  });
});

test("this host's addresses have loopback among them, and link-local ones with their scope", () => {
  const addresses = localAddresses();
  assert.ok(addresses.includes('127.0.0.1'), addresses.join(' '));
  for (const address of addresses.filter((address) => address.startsWith('fe80:')))
    assert.match(address, /%./);
});
