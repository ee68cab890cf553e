import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findLockHolder, takeLock } from '../../../src/system/lock.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const newPath = (): string => join(tempFolder(), 'lock');

/** A lock as another process that has it, which does nothing else. */
const lockOfOther = async (t: TestContext) => {
  const path = newPath();
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 60_000)']);
  t.after(() => other.kill('SIGKILL'));
  await once(other, 'spawn');
  mkdirSync(path);
  writeFileSync(join(path, String(other.pid)), String(other.pid));
  return { path, other };
};

test('a lock is held until it is released, and leaves nothing behind', () => {
  const path = newPath();
  const release = takeLock(path);
  assert.equal(findLockHolder(path), process.pid);
  assert.equal(takeLock(path), undefined);
  release?.();
  assert.deepEqual(readdirSync(dirname(path)), []);
  takeLock(path)?.();
  assert.equal(existsSync(path), false);
});

test('a lock is not taken from a process that runs, and is from one that was killed', async (t) => {
  const { path, other } = await lockOfOther(t);
  assert.equal(takeLock(path), undefined);
  assert.equal(findLockHolder(path), other.pid);
  other.kill('SIGKILL');
  await once(other, 'exit');
  const release = takeLock(path);
  assert.equal(findLockHolder(path), process.pid);
  release?.();
});

test('a release does not touch the lock of a process that has taken it since', async (t) => {
  const { path, other } = await lockOfOther(t);
  const elsewhere = newPath();
  const release = takeLock(elsewhere);
  rmSync(elsewhere, { recursive: true });
  renameSync(path, elsewhere);
  release?.();
  assert.equal(findLockHolder(elsewhere), other.pid);
});

test('a file that a power cut has left empty is no holder', () => {
  const path = newPath();
  mkdirSync(path);
  writeFileSync(join(path, '4242'), '');
  assert.notEqual(takeLock(path), undefined);
});
