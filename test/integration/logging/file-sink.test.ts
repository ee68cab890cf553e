import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, test } from 'node:test';
import { type FileSink, openFileSink } from '../../../src/logging/file-sink.ts';
import { compiled } from '../../support/compiled.ts';
import { tempFolder } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

/** The pause after a write that has failed. */
const RETRY_MS = 50;
const folder = tempFolder();
let path = '';
let messages: string[] = [];
let made = 0;
beforeEach(() => {
  path = join(folder, `${++made}`, 'logs', 'tcp-proxy-6274.log');
  messages = [];
});

const open = (): FileSink => openFileSink(path, (_event, message) => messages.push(message), RETRY_MS);
const read = (file = path): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');

describe('a log of connections', () => {
  test('is made with its first line, for its owner only', async () => {
    const log = open();
    assert.equal(existsSync(dirname(path)), false);
    log.write('a\n');
    await until(() => read() === 'a\n');
    assert.deepEqual([statSync(path).mode & 0o777, statSync(dirname(path)).mode & 0o777], [0o600, 0o700]);
    await log.close();
  });

  test('whose name a FIFO has is not waited for, and is written once it can be', async () => {
    mkdirSync(dirname(path), { recursive: true });
    execFileSync('mkfifo', [path]);
    const log = open();
    log.write('a\n');
    await until(() => messages.length > 0, 'a message');
    assert.match(messages[0] ?? '', /cannot write .*ENXIO/);
    rmSync(path);
    await until(() => read() === 'a\n');
    await log.close();
  });

  test('goes on where an earlier process has left it, and has every line in order', async () => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, 'before\n');
    const log = open();
    const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index} ä\n`);
    for (const [index, line] of lines.entries()) {
      log.write(line);
      if (index % 500 === 0) await new Promise((done) => setImmediate(done));
    }
    await log.close();
    assert.equal(read(), `before\n${lines.join('')}`);
    assert.deepEqual(messages, []);
  });

  test('is made anew when it is renamed, without any notice', async () => {
    const log = open();
    for (let turn = 0; turn < 5; turn += 1) {
      log.write(`${turn}\n`);
      await until(() => read() === `${turn}\n`);
      renameSync(path, `${path}.${turn}`);
    }
    log.write('last\n');
    await log.close();
    const files = readdirSync(dirname(path)).sort();
    assert.deepEqual(
      files.map((name) => read(join(dirname(path), name))),
      ['last\n', '0\n', '1\n', '2\n', '3\n', '4\n'],
    );
  });

  test('is made anew when it is deleted, with its folder, or another file has its name', async () => {
    const log = open();
    log.write('a\n');
    await until(() => read() === 'a\n');
    rmSync(dirname(path), { recursive: true });
    log.write('b\n');
    await until(() => read() === 'b\n');
    renameSync(path, `${path}.1`);
    writeFileSync(path, '');
    log.write('c\n');
    await log.close();
    assert.deepEqual([read(), read(`${path}.1`)], ['c\n', 'b\n']);
  });

  test('may be written by two sinks at a time', async () => {
    const logs = [open(), open()];
    for (let turn = 0; turn < 1_000; turn += 1) {
      for (const [which, log] of logs.entries()) log.write(`${which} ${turn}\n`);
      await new Promise((done) => setImmediate(done));
    }
    await Promise.all(logs.map((log) => log.close()));
    const lines = read().trimEnd().split('\n');
    for (const which of ['0', '1'])
      assert.deepEqual(
        lines.filter((line) => line.startsWith(which)),
        Array.from({ length: 1_000 }, (_, turn) => `${which} ${turn}`),
      );
  });

  test('that cannot be opened is reported once, and has every line once it can', async () => {
    mkdirSync(dirname(dirname(path)));
    writeFileSync(dirname(path), 'in the way');
    const log = open();
    log.write('a\n');
    await until(() => messages.length > 0);
    log.write('b\n');
    rmSync(dirname(path));
    await until(() => read() === 'a\nb\n');
    await until(() => messages.length > 1);
    assert.match(messages[0] ?? '', new RegExp(`^cannot write ${path}: E.*; trying again$`));
    assert.deepEqual(messages.slice(1), [`${path} is written again; 0 lines were lost`]);
    await log.close();
  });

  test('counts what is lost while the disk is full, and keeps 4 MB', async () => {
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync('/dev/full', path);
    const log = open();
    log.write('first\n');
    await until(() => messages.length > 0);
    assert.match(messages[0] ?? '', /: ENOSPC/);
    const line = `${'x'.repeat(999)}\n`;
    for (let count = 0; count < 5_000; count += 1) log.write(line);
    rmSync(path);
    await until(() => messages.length > 1);
    await log.close();
    const kept = read().length / 1_000 - 0.006;
    const lost = Number(/ is written again; (\d+) lines were lost$/.exec(messages[1] ?? '')?.[1]);
    assert.equal(kept + lost, 5_000);
    assert.ok(kept >= 4_000 && kept < 4_010, `${kept} lines were kept`);
  });

  test('reports what it has lost when lines come faster than it can write', async () => {
    const log = open();
    for (let count = 0; count < 5_000; count += 1) log.write(`${'x'.repeat(999)}\n`);
    await log.close();
    const kept = read().length / 1_000;
    assert.ok(kept < 4_010, `${kept} lines were kept`);
    assert.deepEqual(messages, [
      `${5_000 - kept} lines for ${path} were lost: they came faster than they were written`,
    ]);
  });

  test('that is replaced while a line is only partly written has the rest of it where it begins', async () => {
    mkdirSync(dirname(path), { recursive: true });
    // A FIFO takes as much as it has room for, as a disk does that becomes full.
    execFileSync('mkfifo', [path]);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const log = open();
    const line = `${'x'.repeat(100_000)}\n`;
    log.write(line);
    await until(() => messages.length > 0, 'a FIFO that is full');
    assert.match(messages[0] ?? '', /: EAGAIN/);
    renameSync(path, `${path}.1`);
    writeFileSync(path, '');
    const bytes = Buffer.alloc(line.length);
    let size = 0;
    const drain = (): void => {
      try {
        size += readSync(reader, bytes, size, bytes.length - size, null);
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
      }
    };
    await until(() => {
      drain();
      return size + read().length === line.length;
    }, 'the whole line');
    assert.equal(bytes.toString('utf8', 0, size), line);
    log.write('next\n');
    await until(() => read() === 'next\n');
    await log.close();
    closeSync(reader);
  });

  test('is given up at the end when it still cannot be written', async () => {
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync('/dev/full', path);
    const log = open();
    log.write('a\n');
    await log.close();
    assert.equal(messages.length, 1);
  });

  test('has what was written last by a process that exits at once', () => {
    const module = compiled('src/logging/file-sink.ts').href;
    const program = `
      const { openFileSink } = await import(${JSON.stringify(module)});
      const log = openFileSink(${JSON.stringify(path)}, console.error);
      log.write('a\\n');
      if (process.argv[1] === 'later') await new Promise((done) => setTimeout(done, 100));
      log.write('b\\n');
      process.exit(0);`;
    for (const when of ['now', 'later']) {
      rmSync(path, { force: true });
      spawnSync(process.execPath, ['--input-type=module', '-e', program, when], { stdio: 'inherit' });
      assert.equal(read(), 'a\nb\n', when);
    }
  });
});
