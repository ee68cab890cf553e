import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { UsageError } from '../../../src/lib/usage-error.ts';
import { readInteger, readText, removeFile, writeAtomic } from '../../../src/system/files.ts';
import {
  locateStateDir,
  makeStateDir,
  removeSharedFiles,
  removeStateDir,
} from '../../../src/system/state-dir.ts';
import { needs, needsRoot } from '../../support/requirements.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const mode = (path: string): number => statSync(path).mode & 0o777;

test('everything of a port is in a folder of its own', () => {
  const stateDir = locateStateDir('/x');
  assert.deepEqual(stateDir.portFiles('6274'), {
    socket: '/x/ports/6274/control.sock',
    pidFile: '/x/ports/6274/pid',
    failuresFile: '/x/ports/6274/failures',
    lock: '/x/ports/6274/lock',
  });
  assert.deepEqual(
    [stateDir.monitorSocket, stateDir.monitorStateFile],
    ['/x/monitor.sock', '/x/monitor.json'],
  );
  assert.deepEqual(
    [stateDir.portsFolder, stateDir.logsFolder, stateDir.accessLogFile('tcp-proxy-6274')],
    ['/x/ports', '/x/logs', '/x/logs/tcp-proxy-6274.log'],
  );
});

test('locating the state directory makes nothing', () => {
  const path = join(tempFolder(), 'home');
  locateStateDir(path);
  assert.equal(existsSync(path), false);
});

test('a state directory is for its owner only, whatever the umask', () => {
  const path = join(tempFolder(), 'a', 'home');
  const before = process.umask(0);
  try {
    makeStateDir(path, '6274');
  } finally {
    process.umask(before);
  }
  assert.deepEqual(
    [mode(path), mode(join(path, 'ports')), mode(join(path, 'ports/6274'))],
    [0o700, 0o700, 0o700],
  );
});

describe('a state directory that others may use is refused with the command that mends it, and keeps its mode', () => {
  const table: readonly [mode: number, problem: string][] = [
    [0o755, 'others can read it or write to it (mode 0755): chmod 700 PATH'],
    [0o720, 'others can read it or write to it (mode 0720): chmod 700 PATH'],
    [0o704, 'others can read it or write to it (mode 0704): chmod 700 PATH'],
    [
      0o1777,
      'others share it (mode 1777); make one in it, and set STEADYPORT_HOME to it: mkdir -m 700 PATH/steadyport',
    ],
  ];
  for (const [folderMode, problem] of table)
    test(folderMode.toString(8), () => {
      const path = join(tempFolder(), 'home');
      mkdirSync(path);
      chmodSync(path, folderMode);
      const link = `${path}-link`;
      symlinkSync(path, link);
      for (const home of [path, link])
        assert.throws(() => makeStateDir(home, '6274'), {
          name: 'UsageError',
          message: `STEADYPORT_HOME is "${home}": expected a folder of this user alone; ${problem.replace('PATH', home)}`,
        });
      assert.equal(statSync(path).mode & 0o7777, folderMode);
      assert.deepEqual(readdirSync(path), []);
    });
});

test('a state directory of another user is refused, and keeps its owner and its mode', {
  skip: needs(needsRoot()),
}, () => {
  const path = join(tempFolder(), 'home');
  mkdirSync(path, { mode: 0o700 });
  chownSync(path, 65_534, 65_534);
  assert.throws(
    () => makeStateDir(path),
    /; it belongs to user 65534, and this is user 0: sudo chown -R 0 \//,
  );
  assert.equal(statSync(path).uid, 65_534);
});

test('a state directory may be a link to a folder of this user', () => {
  const path = join(tempFolder(), 'home');
  mkdirSync(path, { mode: 0o700 });
  symlinkSync(path, `${path}-link`);
  makeStateDir(`${path}-link`, '6274');
  assert.deepEqual(readdirSync(path), ['ports']);
});

test('a state directory that exists already keeps its files', () => {
  const path = join(tempFolder(), 'home');
  const { pidFile } = makeStateDir(path, '6274').portFiles('6274');
  writeFileSync(pidFile, '1\n');
  makeStateDir(path, '6274');
  assert.equal(readText(pidFile), '1\n');
});

test('a path that is too long for the sockets is refused, in bytes', () => {
  const longest = 107 - '/ports/65535/control.sock'.length;
  for (const path of [`/${'x'.repeat(longest - 1)}`, `/${'é'.repeat(Math.floor((longest - 1) / 2))}`]) {
    assert.equal(locateStateDir(path).path, path);
    assert.throws(
      () => locateStateDir(`${path}éé`),
      (error: Error) =>
        error instanceof UsageError &&
        error.message ===
          `STEADYPORT_HOME is "${path}éé": expected a path of at most ${longest} bytes, and it has ` +
            `${Buffer.byteLength(path) + 4}; a socket in it (${path}éé/ports/65535/control.sock) may have at most 107`,
    );
  }
});

test('the folder of a project counts in the length that STEADYPORT_HOME may have', () => {
  const longest = 107 - '/projects/web/ports/65535/control.sock'.length;
  const home = `/${'x'.repeat(longest - 1)}`;
  assert.equal(locateStateDir(`${home}/projects/web`).path, `${home}/projects/web`);
  assert.throws(() => locateStateDir(`${home}x/projects/web`), {
    message:
      `STEADYPORT_HOME is "${home}x": expected a path of at most ${longest} bytes, and it has ${longest + 1}; ` +
      `a socket in it (${home}x/projects/web/ports/65535/control.sock) may have at most 107`,
  });
});

test('a file is replaced as a whole, for its owner only, and no draft is left', () => {
  const folder = tempFolder();
  const path = join(folder, 'pid');
  writeAtomic(path, 'old and long\n');
  const inode = statSync(path).ino;
  writeAtomic(path, 'new\n');
  assert.equal(readFileSync(path, 'utf8'), 'new\n');
  assert.notEqual(statSync(path).ino, inode);
  assert.equal(mode(path), 0o600);
  assert.deepEqual(readdirSync(folder), ['pid']);
});

test('what cannot be written throws, and leaves no draft', () => {
  const folder = tempFolder();
  const path = join(folder, 'pid');
  mkdirSync(path);
  assert.throws(() => writeAtomic(path, 'new\n'), { code: 'EISDIR' });
  assert.deepEqual(readdirSync(folder), ['pid']);
});

describe('a pid or failures file is one plain integer', () => {
  const table: readonly [text: string, number: number | undefined][] = [
    ['439841\n', 439_841],
    ['0', 0],
    ['', undefined],
    ['\n', undefined],
    ['-1\n', undefined],
    ['1.5\n', undefined],
    ['12 34\n', undefined],
    ['0x10\n', undefined],
    ['pid 5\n', undefined],
  ];
  const path = join(tempFolder(), 'pid');
  for (const [text, number] of table)
    test(`${JSON.stringify(text)} is ${number ?? 'none'}`, () => {
      writeFileSync(path, text);
      assert.equal(readInteger(path), number);
    });
});

test('a file that is not there has no text and no integer, and may be removed', () => {
  const path = join(tempFolder(), 'pid');
  removeFile(path);
  assert.deepEqual([readText(path), readInteger(path)], [undefined, undefined]);
});

test('a FIFO is never waited for, and has no text; nor has a folder, or a file too large to be ours', () => {
  const folder = tempFolder();
  const paths = ['fifo', 'folder', 'large'].map((name) => join(folder, name));
  execFileSync('mkfifo', [paths[0] ?? '']);
  mkdirSync(paths[1] ?? '');
  writeFileSync(paths[2] ?? '', '1'.repeat(1_048_577));
  assert.deepEqual(paths.map(readText), [undefined, undefined, undefined]);
});

describe('a state directory that is removed', () => {
  const fill = (path: string): void => {
    for (const id of ['6274', 'app.sock']) {
      const { pidFile, failuresFile, socket } = makeStateDir(path, id).portFiles(id);
      for (const file of [pidFile, failuresFile, socket, `${pidFile}.4711`]) writeFileSync(file, '1\n');
    }
    const { monitorStateFile, countsFile, alertsFile } = locateStateDir(path);
    for (const file of [monitorStateFile, countsFile, alertsFile])
      for (const name of [file, `${file}.4711`]) writeFileSync(name, '{}');
    for (const suffix of ['.bad', '.bad-20261130T061251Z', '.bad-20261130T061251Z-1'])
      writeFileSync(alertsFile + suffix, '{}');
  };

  test('is gone, and so it stays when it is removed again', async () => {
    const path = join(tempFolder(), 'home');
    fill(path);
    assert.deepEqual(await removeStateDir(path), []);
    assert.equal(existsSync(path), false);
    assert.deepEqual(await removeStateDir(path), []);
  });

  test('keeps what steadyport did not put there, as when STEADYPORT_HOME is a folder with other files', async () => {
    const path = tempFolder();
    fill(path);
    const own = ['letters.txt', 'ports/6274/pid.txt', 'ports/other', 'monitor.json.old'];
    for (const name of own) writeFileSync(join(path, name), 'mine');
    assert.deepEqual([...(await removeStateDir(path))].sort(), ['letters.txt', 'monitor.json.old', 'ports']);
    assert.deepEqual(readdirSync(path, { recursive: true }).sort(), [...own, 'ports', 'ports/6274'].sort());
  });

  test('keeps the logs, and no rule for them', async () => {
    const path = join(tempFolder(), 'home');
    fill(path);
    const { logsFolder, accessLogFile } = locateStateDir(path);
    mkdirSync(logsFolder);
    for (const file of [accessLogFile('tcp-proxy-6274'), `${path}/logrotate.conf`, `${path}/logrotate.state`])
      writeFileSync(file, '');
    removeSharedFiles(path);
    assert.deepEqual(await removeStateDir(path), ['logs']);
    assert.deepEqual(readdirSync(path, { recursive: true }).sort(), ['logs', 'logs/tcp-proxy-6274.log']);
  });

  test('keeps the sockets that a process serves, and the files beside them', async (t) => {
    const path = join(tempFolder(), 'home');
    fill(path);
    const { socket } = locateStateDir(path).portFiles('6274');
    removeFile(socket);
    const server = createServer();
    t.after(() => server.close());
    await new Promise<void>((done) => server.listen(socket, done));
    assert.deepEqual(await removeStateDir(path), ['ports']);
    assert.deepEqual(readdirSync(join(path, 'ports')), ['6274']);
    assert.equal(readInteger(locateStateDir(path).portFiles('6274').pidFile), 1);
  });
});
