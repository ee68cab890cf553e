import assert from 'node:assert/strict';
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, test } from 'node:test';
import { openLogFile } from '../../../src/logging/tail.ts';
import { defaultLogPaths } from '../../../src/pm2/log-paths.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const folder = tempFolder();
let path = '';
let made = 0;
const write = (text: string): void => appendFileSync(path, text);
beforeEach(() => {
  path = join(folder, `${++made}.log`);
});

test('PM2 puts the logs of an app into its folder, and knows no underscore', () =>
  assert.deepEqual(defaultLogPaths('/p', 'unix-proxy-a_b.sock'), {
    out: '/p/logs/unix-proxy-a-b.sock-out.log',
    err: '/p/logs/unix-proxy-a-b.sock-error.log',
  }));

describe('the tail of a file', () => {
  const table: readonly [name: string, text: string, lines: number, tail: string[], rest: string[]][] = [
    ['is its last lines', 'a\nb\nc\n', 2, ['b', 'c'], []],
    ['is all of them when there are fewer', 'a\nb\n', 5, ['a', 'b'], []],
    ['has empty lines too', 'a\n\n\n', 2, ['', ''], []],
    ['leaves a line that has not ended for later', 'a\nb\nc', 1, ['b'], ['c']],
    ['may be asked for no line', 'a\n', 0, [], []],
    ['of an empty file is empty', '', 5, [], []],
    ['has whole letters', 'ä→🚨\n', 1, ['ä→🚨'], []],
  ];
  for (const [name, text, lines, tail, rest] of table)
    test(name, () => {
      write(text);
      const file = openLogFile(path, lines);
      assert.deepEqual([file.tail, file.close()], [tail, rest]);
    });

  test('is found across blocks, however long the lines are', () => {
    const lines = Array.from({ length: 5_000 }, (_, index) => `${index} ${'ä'.repeat(index % 97)}`);
    write(`${lines.join('\n')}\n${'x'.repeat(200_000)}\nlast\n`);
    for (const maxLines of [1, 2, 3, 4_000]) {
      const file = openLogFile(path, maxLines);
      assert.deepEqual(file.tail, [...lines, 'x'.repeat(200_000), 'last'].slice(-maxLines));
      file.close();
    }
  });

  test('is all that is read of a file of 100 GB', () => {
    const fd = openSync(path, 'w');
    ftruncateSync(fd, 1e11);
    writeSync(fd, '\nthe\nend\n', 1e11);
    closeSync(fd);
    const file = openLogFile(path, 2);
    assert.deepEqual(file.tail, ['the', 'end']);
    write('more\n');
    assert.deepEqual(file.readNewLines(), ['more']);
    file.close();
    const many = openLogFile(path, 1e9);
    assert.deepEqual(
      many.tail,
      ['the', 'end', 'more'],
      'nor is it when more lines are asked for than it has',
    );
    many.close();
  });
});

describe('a file that is followed', () => {
  test('gives each line once, when it has ended', () => {
    write('old\nbegun');
    const file = openLogFile(path, 1);
    assert.deepEqual(file.readNewLines(), []);
    write(' and ended\nnext\nbeg');
    assert.deepEqual(file.readNewLines(), ['begun and ended', 'next']);
    assert.deepEqual(file.readNewLines(), []);
    assert.deepEqual(file.close(), ['beg']);
  });

  test('has whole letters, though half of one was written first', () => {
    write('');
    const file = openLogFile(path, 1);
    const bytes = Buffer.from('🚨\n');
    appendFileSync(path, bytes.subarray(0, 2));
    assert.deepEqual(file.readNewLines(), []);
    appendFileSync(path, bytes.subarray(2));
    assert.deepEqual(file.readNewLines(), ['🚨']);
    file.close();
  });

  test('may come to be later', () => {
    const file = openLogFile(path, 5);
    assert.deepEqual([file.tail, file.writtenAt, file.readNewLines()], [[], null, []]);
    write('a\n');
    assert.deepEqual([...file.readNewLines(), ...file.readNewLines()], ['a']);
    file.close();
  });

  test('may be renamed: the old one is read to its end, then the new one', () => {
    write('a\n');
    const file = openLogFile(path, 1);
    renameSync(path, `${path}.1`);
    appendFileSync(`${path}.1`, 'b\n');
    assert.deepEqual(file.readNewLines(), ['b']);
    appendFileSync(`${path}.1`, 'c\nunfinished');
    write('d\n');
    assert.deepEqual(file.readNewLines(), ['c', 'unfinished']);
    assert.deepEqual(file.readNewLines(), ['d']);
    assert.deepEqual(file.readNewLines(), []);
    file.close();
  });

  test('goes on being read while the new one is empty: PM2 has not got the order yet', () => {
    write('a\n');
    const file = openLogFile(path, 1);
    renameSync(path, `${path}.1`);
    writeFileSync(path, '');
    for (const text of ['b', 'c']) {
      appendFileSync(`${path}.1`, `${text}\n`);
      assert.deepEqual(file.readNewLines(), [text]);
    }
    write('d\n');
    assert.deepEqual([...file.readNewLines(), ...file.readNewLines()], ['d']);
    file.close();
  });

  test('may be copied and truncated', () => {
    write('a\nb\nunfinished');
    const file = openLogFile(path, 1);
    assert.deepEqual(file.readNewLines(), []);
    copyFileSync(path, `${path}.1`);
    truncateSync(path);
    write('c\n');
    assert.deepEqual(file.readNewLines(), ['unfinished', 'c']);
    truncateSync(path);
    assert.deepEqual(file.readNewLines(), []);
    write('d\n');
    assert.deepEqual(file.readNewLines(), ['d']);
    file.close();
  });

  test('may be truncated and have grown past where it was read, before the next read', () => {
    write('a\nb\n');
    const file = openLogFile(path, 1);
    truncateSync(path);
    write('c\nd\ne\n');
    assert.deepEqual(file.readNewLines(), ['c', 'd', 'e']);
    truncateSync(path);
    write('1\n2\n3\n');
    assert.deepEqual(file.readNewLines(), ['1', '2', '3']);
    const alike = ['[10:00:01]', '[10:00:02]'].map((time) => `${time} ${'the same of both '.repeat(10)}`);
    for (const line of alike) {
      truncateSync(path);
      write(`${line}\n`);
      assert.deepEqual(file.readNewLines(), [line]);
    }
    assert.deepEqual(file.readNewLines(), []);
    file.close();
  });

  test('may be deleted for a while, or be a folder', () => {
    write('a\n');
    const file = openLogFile(path, 1);
    rmSync(path);
    assert.deepEqual(file.readNewLines(), []);
    mkdirSync(path);
    assert.deepEqual(file.readNewLines(), []);
    rmSync(path, { recursive: true });
    write('b\n');
    assert.deepEqual([...file.readNewLines(), ...file.readNewLines()], ['b']);
    file.close();
  });

  test('is read a part at a time, nothing of it left out', () => {
    const file = openLogFile(path, 0);
    const lines = Array.from({ length: 300_000 }, (_, index) => `line ${index}`);
    write(`${lines.join('\n')}\n`);
    const read: string[] = [];
    const sizes: number[] = [];
    while (read.at(-1) !== lines.at(-1)) {
      const part = file.readNewLines();
      sizes.push(part.length);
      read.push(...part);
    }
    assert.deepEqual(read, lines);
    assert.ok(sizes.length > 3, `in ${sizes.length} parts`);
    file.close();
  });

  test('without an end of a line is given in pieces of a megabyte', () => {
    const file = openLogFile(path, 0);
    write('x'.repeat(3_000_000));
    const pieces = Array.from({ length: 6 }, () => file.readNewLines()).flat();
    assert.deepEqual([...pieces, ...file.close()].join(''), 'x'.repeat(3_000_000));
    assert.ok(pieces.length > 0);
  });
});
