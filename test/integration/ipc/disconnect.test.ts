import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type ControlClient, connectControl } from '../../../src/ipc/client.ts';
import { serveControl } from '../../../src/ipc/server.ts';
import { tempFolder } from '../../support/temp-dir.ts';

/** More than any answer takes here; a test that waits for it fails. */
const LONG_MS = 30_000;

interface Echo {
  echo: { ask: string; reply: string };
}
const HANDLERS = { echo: (text: string) => text.toUpperCase() };

const folder = tempFolder();
let sockets = 0;
const newPath = (): string => join(folder, `${++sockets}.sock`);

/** A peer that calls `behave` at the first ask. */
const openRude = async (
  t: TestContext,
  behave: (socket: Socket) => void,
): Promise<{ client: ControlClient<Echo>; path: string }> => {
  const path = newPath();
  const server = createServer((socket) => {
    t.after(() => socket.destroy());
    socket.once('data', () => behave(socket));
  });
  await once(server.listen(path), 'listening');
  t.after(() => server.close());
  return { client: await connectControl<Echo>(path, LONG_MS), path };
};

test('a connection to a server that announces its shutdown has an announced end', async (t) => {
  const path = newPath();
  const server = await serveControl<Echo>(path, HANDLERS);
  const client = await connectControl<Echo>(path, LONG_MS);
  t.after(() => client.close());
  await client.ask('echo', 'hello', LONG_MS);
  server.announce('leaving');
  await client.ask('echo', 'still there', LONG_MS);
  await server.close();
  assert.equal(await client.closed, 'announced');
});

test('a client that connects after the server has announced its shutdown hears it, too', async (t) => {
  const path = newPath();
  const server = await serveControl<Echo>(path, HANDLERS);
  server.announce('leaving');
  const client = await connectControl<Echo>(path, LONG_MS);
  t.after(() => client.close());
  await client.ask('echo', 'still there', LONG_MS);
  await server.close();
  assert.equal(await client.closed, 'announced');
});

test('a server that ends without a word is lost', async () => {
  const path = newPath();
  const server = await serveControl<Echo>(path, HANDLERS);
  const client = await connectControl<Echo>(path, LONG_MS);
  await client.ask('echo', 'hello', LONG_MS);
  await server.close();
  assert.equal(await client.closed, 'unexpected');
});

test('an ask that gets no answer in time is a time-out, and the connection stays', async (t) => {
  const { client, path } = await openRude(t, (socket) =>
    socket.once('data', () => socket.write('{"id":1,"reply":"LATE"}\n{"id":2,"reply":"B"}\n')),
  );
  await assert.rejects(client.ask('echo', 'a', 20), {
    code: 'ETIMEDOUT',
    message: `no answer on ${path} within 20 ms`,
  });
  assert.equal(await client.ask('echo', 'b', LONG_MS), 'B');
  client.close();
});

describe('a peer that dies while it is asked', () => {
  const deaths: Readonly<Record<string, (socket: Socket) => void>> = {
    'without a word': (socket) => socket.destroy(),
    'in the middle of a line': (socket) => socket.end('{"id":1,"reply":"HAL'),
    'in the middle of its announcement': (socket) => socket.end('{"event":"leav'),
    'after nonsense': (socket) => socket.end('nonsense\nnull\n[]\n"x"\n42\n'),
  };
  for (const [name, die] of Object.entries(deaths))
    test(`${name} is lost, and the ask is rejected`, async (t) => {
      const { client, path } = await openRude(t, die);
      await assert.rejects(client.ask('echo', 'a', LONG_MS), {
        code: 'EPIPE',
        message: `${path} was closed`,
      });
      assert.equal(await client.closed, 'unexpected');
    });
});

test('a line that answers nothing is ignored', async (t) => {
  const { client } = await openRude(t, (socket) =>
    socket.write('nonsense\n{"id":99,"reply":"?"}\n{"event":"dancing"}\n{"id":1,"reply":"A"}\n'),
  );
  assert.equal(await client.ask('echo', 'a', LONG_MS), 'A');
  client.close();
  assert.equal(await client.closed, 'unexpected');
});

test('after the end every ask is rejected at once', async () => {
  const path = newPath();
  const server = await serveControl<Echo>(path, HANDLERS);
  const client = await connectControl<Echo>(path, LONG_MS);
  await server.close();
  await client.closed;
  await assert.rejects(client.ask('echo', 'a', LONG_MS), { code: 'EPIPE' });
});

test('a client that dies while it is answered does not disturb the others', async (t) => {
  const path = newPath();
  const server = await serveControl<Echo>(path, HANDLERS);
  t.after(() => server.close());
  const client = await connectControl<Echo>(path, LONG_MS);
  t.after(() => client.close());
  for (let count = 0; count < 20; count += 1) {
    const rude = connect(path);
    await once(rude, 'connect');
    rude.write(`{"id":1,"ask":"echo","with":"${'x'.repeat(100_000)}"}\n`.repeat(3), () => rude.destroy());
    assert.equal(await client.ask('echo', 'polite', LONG_MS), 'POLITE');
  }
});
