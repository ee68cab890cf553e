import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { listRotated, pruneRotated, rotateIfLarge } from '../../../src/logging/rotate.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const NOON = new Date(2026, 10, 7, 12);
const second = NOON.getTime() / 1_000;
const named = (files: readonly string[]): string[] => files.map((path) => basename(path));

describe('a log that has grown past its limit', () => {
  test('is renamed as logrotate would name it', () => {
    const folder = tempFolder();
    const path = join(folder, 'a.log');
    writeFileSync(path, '0123456789');
    assert.equal(rotateIfLarge(path, 10, NOON), false);
    assert.equal(rotateIfLarge(path, 9, NOON), true);
    assert.deepEqual(readdirSync(folder), [`a.log-20261107-${second}`]);
  });

  test('stays while its new name is taken, compressed or not, and where there is none', () => {
    const folder = tempFolder();
    const path = join(folder, 'a.log');
    for (const ending of ['', '.gz']) {
      writeFileSync(path, 'long');
      const taken = `${path}-20261107-${second}${ending}`;
      writeFileSync(taken, 'older');
      assert.equal(rotateIfLarge(path, 1, NOON), false);
      assert.equal(readFileSync(taken, 'utf8'), 'older');
    }
    assert.equal(rotateIfLarge(join(folder, 'none.log'), 1, NOON), false);
    assert.equal(rotateIfLarge(folder, 1, NOON), false, 'nor is a folder a log');
  });
});

describe('the rotated files of a log', () => {
  test('are distinguished from other files, and come in the order of time', () => {
    const folder = tempFolder();
    const rotated = ['a.log-20261231-9', 'a.log-20260101-10.gz', 'a.log-20260101-200'];
    for (const name of [...rotated, 'a.log', 'b.log-20260101-1', 'a.log-2026', 'a.log-20260101-1.gz.part'])
      writeFileSync(join(folder, name), '');
    assert.deepEqual(named(listRotated(join(folder, 'a.log'))), rotated);
    assert.deepEqual(listRotated(join(folder, 'no', 'a.log')), []);
  });

  test('are compressed but for the newest, and the oldest are removed', async () => {
    const folder = tempFolder();
    const path = join(folder, 'a.log');
    const text = (number: number): string => `line ${number}\n`.repeat(100_000);
    for (const number of [1, 2, 3, 4]) writeFileSync(`${path}-20260101-${number}`, text(number));
    for (const number of [1, 2])
      writeFileSync(`${path}-20260101-${number}.gz.part`, 'of a process that was killed');
    await pruneRotated(path, 3);
    const left = ['a.log-20260101-2.gz', 'a.log-20260101-3.gz', 'a.log-20260101-4'];
    assert.deepEqual(readdirSync(folder).sort(), left);
    for (const number of [2, 3])
      assert.equal(gunzipSync(readFileSync(`${path}-20260101-${number}.gz`)).toString(), text(number));
    await pruneRotated(path, 1);
    assert.deepEqual(readdirSync(folder), ['a.log-20260101-4']);
  });

  test('stay as they are when they cannot be compressed', async () => {
    const folder = tempFolder();
    const path = join(folder, 'a.log');
    for (const number of [1, 2]) writeFileSync(`${path}-20260101-${number}`, 'text');
    mkdirSync(join(folder, 'a.log-20260101-1.gz', 'in the way'), { recursive: true });
    await assert.rejects(pruneRotated(path, 3));
    assert.equal(readFileSync(`${path}-20260101-1`, 'utf8'), 'text');
    assert.equal(
      readdirSync(folder).some((name) => name.endsWith('.part')),
      false,
    );
  });
});
