import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { limitClients } from '../../../src/http/client-limit.ts';

/** A server for two clients, unless there may be more, that answers /now at once, and another path when the test does. */
const rig = async (t: TestContext, isShortOfFiles = () => false, maxClients = 2) => {
  const waiting: ServerResponse[] = [];
  const server = createServer((request, response) => {
    if (request.url === '/now') response.end();
    else waiting.push(response);
  });
  limitClients(server, isShortOfFiles, maxClients);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const open = async (): Promise<Socket> => {
    const accepted = once(server, 'connection');
    const client = connect(port, '127.0.0.1').on('error', () => {});
    await accepted;
    return client.resume();
  };
  const ask = async (client: Socket, path: string): Promise<void> => {
    const asked = once(server, 'request');
    client.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await asked;
  };
  return { open, ask, waiting };
};

test('for one client more, the one that has been idle for the longest time makes room', async (t) => {
  const { open, ask } = await rig(t);
  const [first, second] = [await open(), await open()];
  const answered = once(first, 'data');
  await ask(first, '/now');
  await answered;
  await open();
  await once(second, 'close');
  assert.equal(first.destroyed, false);
});

test('a client that waits for its answer keeps its place, and where all wait the new one is refused', async (t) => {
  const { open, ask, waiting } = await rig(t);
  const [first, second] = [await open(), await open()];
  await ask(first, '/later');
  await ask(second, '/later');
  await once(await open(), 'close');
  const answered = Promise.all([once(first, 'data'), once(second, 'data')]);
  for (const response of waiting) response.end();
  await answered;
});

test('without files to spare only four are served', async (t) => {
  const { open, ask, waiting } = await rig(t, () => true, 100);
  for (const client of [await open(), await open(), await open(), await open()]) await ask(client, '/later');
  await once(await open(), 'close');
  assert.equal(waiting.length, 4);
});
