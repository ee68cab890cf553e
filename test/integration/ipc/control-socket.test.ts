import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, linkSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type ControlClient, connectControl } from '../../../src/ipc/client.ts';
import type { OrphanProtocol } from '../../../src/ipc/protocol.ts';
import { type ControlServer, claimControlSocket, serveControl } from '../../../src/ipc/server.ts';
import { HAS_PROCFS } from '../../../src/system/proc/procfs.ts';
import { needs } from '../../support/requirements.ts';
import { tempFolder } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

/** More than any answer takes here; a test that waits for it fails. */
const LONG_MS = 30_000;

interface Echo {
  echo: { ask: string; reply: string };
  fail: { ask: null; reply: null };
}
const HANDLERS = {
  echo: (text: string) => text.toUpperCase(),
  fail: () => {
    throw new Error('it does not work');
  },
};

const folder = tempFolder();
let sockets = 0;
const newPath = (): string => join(folder, `${++sockets}.sock`);

const serve = async (t: TestContext, path: string): Promise<ControlServer> => {
  const server = await serveControl<Echo>(path, HANDLERS);
  t.after(() => server.close());
  return server;
};
const open = async <P extends { [A in keyof P]: { ask: unknown; reply: unknown } } = Echo>(
  t: TestContext,
  path: string,
): Promise<ControlClient<P>> => {
  const client = await connectControl<P>(path, LONG_MS);
  t.after(() => client.close());
  return client;
};

test('each ask gets its own reply, however many are pending', async (t) => {
  const path = newPath();
  await serve(t, path);
  const client = await open(t, path);
  const words = ['one', 'two', 'thrée\n', ''];
  const replies = await Promise.all(words.map((word) => client.ask('echo', word, LONG_MS)));
  assert.deepEqual(replies, ['ONE', 'TWO', 'THRÉE\n', '']);
});

test('two clients are served side by side', async (t) => {
  const path = newPath();
  await serve(t, path);
  const first = await open(t, path);
  const second = await open(t, path);
  assert.deepEqual(await Promise.all([first.ask('echo', 'a', LONG_MS), second.ask('echo', 'b', LONG_MS)]), [
    'A',
    'B',
  ]);
});

test('an ask that fails is an error with its message, and the next one is answered', async (t) => {
  const path = newPath();
  await serve(t, path);
  const client = await open(t, path);
  await assert.rejects(client.ask('fail', null, LONG_MS), { message: `${path}: it does not work` });
  assert.equal(await client.ask('echo', 'still here', LONG_MS), 'STILL HERE');
});

test('an unknown ask is an error, one that every object has too', async (t) => {
  const path = newPath();
  await serve(t, path);
  const client = await open<Record<'dance' | 'toString', { ask: null; reply: null }>>(t, path);
  for (const ask of ['dance', 'toString'] as const)
    await assert.rejects(client.ask(ask, null, LONG_MS), { message: `${path}: unknown ask "${ask}"` });
});

test('requests may come in pieces and together, and a line that is no request is answered with an error', async (t) => {
  const path = newPath();
  await serve(t, path);
  const socket = connect(path).setEncoding('utf8');
  t.after(() => socket.destroy());
  let text = '';
  socket.on('data', (chunk: string) => {
    text += chunk;
  });
  socket.write('{"id":1,"ask":"ec');
  socket.write('ho","with":"a"}\n{"id":2,"ask":"echo","with":"b"}\nnonsense\nnull\n');
  while (text.split('\n').length < 5) await once(socket, 'data');
  const answers = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: unknown; reply?: string; error?: string });
  assert.deepEqual(answers.slice(0, 2), [
    { id: 1, reply: 'A' },
    { id: 2, reply: 'B' },
  ]);
  for (const { id, error } of answers.slice(2)) assert.deepEqual([id, typeof error], [null, 'string']);
});

test('only the owner may use the socket', async (t) => {
  const path = newPath();
  await serve(t, path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('a socket file that nobody answers on is replaced', async (t) => {
  const path = newPath();
  const stale = newPath();
  const dead = await serveControl<Echo>(path, HANDLERS);
  linkSync(path, stale);
  await dead.close();
  await assert.rejects(connectControl<Echo>(stale, LONG_MS), { code: 'ECONNREFUSED' });
  await serve(t, stale);
  assert.equal(await (await open(t, stale)).ask('echo', 'new', LONG_MS), 'NEW');
});

test('a socket that somebody answers on is refused and goes on answering', async (t) => {
  const path = newPath();
  await serve(t, path);
  await assert.rejects(serveControl<Echo>(path, HANDLERS), { code: 'EADDRINUSE' });
  assert.equal(await (await open(t, path)).ask('echo', 'mine', LONG_MS), 'MINE');
});

describe('when there are as many clients as it takes, a new one is answered', () => {
  const openMany = async (t: TestContext, path: string, count: number): Promise<ControlClient<Echo>[]> => {
    const clients = [];
    while (clients.length < count) clients.push(await open(t, path));
    return clients;
  };
  const askAll = (clients: readonly ControlClient<Echo>[]): Promise<string[]> =>
    Promise.all(clients.map((client) => client.ask('echo', 'b', LONG_MS)));

  test('and the first that has never asked anything makes room', async (t) => {
    const path = newPath();
    await serve(t, path);
    const asker = await open(t, path);
    await asker.ask('echo', 'a', LONG_MS);
    const [idle, ...others] = await openMany(t, path, 99);
    const newcomer = await open(t, path);
    assert.equal(await idle?.closed, 'unexpected');
    const clients = [asker, ...others, newcomer];
    assert.deepEqual(
      await askAll(clients),
      clients.map(() => 'B'),
    );
  });

  test('and of those that all have asked the one that has asked nothing for the longest time makes room', async (t) => {
    const path = newPath();
    await serve(t, path);
    const [first, second, ...others] = await openMany(t, path, 100);
    assert.ok(first && second);
    for (const client of [first, second, ...others, first]) await client.ask('echo', 'a', LONG_MS);
    const newcomer = await open(t, path);
    assert.equal(await second.closed, 'unexpected');
    const clients = [first, ...others, newcomer];
    assert.deepEqual(
      await askAll(clients),
      clients.map(() => 'B'),
    );
  });
});

test('where nobody serves, there is no such file', async () => {
  await assert.rejects(connectControl<Echo>(newPath(), LONG_MS), { code: 'ENOENT' });
});

test('a server that closes takes its socket file with it, clients or not', async (t) => {
  const path = newPath();
  const server = await serveControl<Echo>(path, HANDLERS);
  const client = await open(t, path);
  await client.ask('echo', 'hello', LONG_MS);
  await server.close();
  assert.equal(existsSync(path), false);
});

describe('a socket whose file is removed', () => {
  test('is made anew, with its folder, and the connections go on', async (t) => {
    const home = join(folder, 'swept');
    mkdirSync(home);
    const path = join(home, 'control.sock');
    await serve(t, path);
    const before = await open(t, path);
    rmSync(home, { recursive: true });
    await until(() => existsSync(path));
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(home).mode & 0o777, 0o700);
    const after = await open(t, path);
    const asks = [before, after].map((client) => client.ask('echo', 'a', LONG_MS));
    assert.deepEqual(await Promise.all(asks), ['A', 'A']);
  });

  test('is not taken from a process that serves the path since', async (t) => {
    const path = newPath();
    await serve(t, path);
    renameSync(path, `${path}.moved`);
    await serveControl<Echo>(path, { ...HANDLERS, echo: (text) => `${text}${text}` }).then((second) =>
      t.after(() => second.close()),
    );
    const { ino } = statSync(path);
    const third = newPath();
    // The first server has looked when a later one has found its own file gone.
    await serve(t, third);
    rmSync(third);
    await until(() => existsSync(third));
    assert.equal(statSync(path).ino, ino);
    assert.equal(await (await open(t, path)).ask('echo', 'a', LONG_MS), 'aa');
  });
});

test('who waits for a socket is told once who has it, and gets it when that one ends', async (t) => {
  const path = newPath();
  const identity = { pid: 7, supervisor: { pid: 5, home: '/pm2' } };
  const handlers = { identify: () => identity, leave_orphan: () => false };
  const owner = await serveControl<OrphanProtocol>(path, handlers);
  t.after(() => owner.close());
  const holders: unknown[] = [];
  const claiming = claimControlSocket(path, (holder) => holders.push(holder));
  t.after(async () => (await claiming).close());
  await until(() => holders.length > 0);
  await owner.close();
  await claiming;
  assert.deepEqual(holders, [identity]);
});

test('who waits for a socket whose owner does not say who it is knows its pid all the same', {
  skip: needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)'),
}, async (t) => {
  const path = newPath();
  const owner = await serve(t, path);
  const holders: unknown[] = [];
  const claiming = claimControlSocket(path, (holder) => holders.push(holder));
  t.after(async () => (await claiming).close());
  await until(() => holders.length > 0);
  await owner.close();
  await claiming;
  assert.deepEqual(holders, [{ pid: process.pid, supervisor: null }]);
});
