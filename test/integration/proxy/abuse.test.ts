import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { describe, type TestContext, test } from 'node:test';
import { OPEN_FILES_RESTART_PERCENT } from '../../../src/config/defaults.ts';
import {
  dial,
  echo,
  ending,
  forEachEngine,
  freePort,
  readAll,
  readBytes,
  serve,
} from '../../support/proxy/proxy-harness.ts';
import { trackOpenFiles } from '../../support/proxy-observation.ts';
import { until } from '../../support/until.ts';

/** Abuse that a public port is exposed to. Nothing of it must be left afterwards. */
forEachEngine((name, rig) =>
  describe(`abuse of the ${name} engine`, () => {
    test('1,500 clients and an upstream that both behave at random leave nothing behind', async (t) => {
      const upstream = await serve(t, misbehave);
      const limits = { idleTimeoutMs: 1_000, halfCloseTimeoutMs: 500 };
      const { dial, record, records, engine } = await rig(t, upstream, limits);
      const openFiles = trackOpenFiles();
      const clients: Socket[] = [];
      await inBatches(1_500, async () => {
        const client = dial();
        clients.push(client);
        await once(client, 'connect');
        misbehave(client);
      });
      await record(1_499);
      assert.equal(engine.counts().active, 0);
      assert.equal(records.length, 1_500);
      await until(async () => openFiles().length === (await connectionsOf(upstream)) + countOpen(clients));
    });

    test('5,000 connects of a port scan are each logged once and leave nothing behind', async (t) => {
      const upstream = await serve(t, echo);
      const { dial, record, records, engine } = await rig(t, upstream);
      const openFiles = trackOpenFiles();
      const clients: Socket[] = [];
      await inBatches(5_000, async () => {
        const client = dial();
        clients.push(client);
        await once(client, 'connect');
        client.destroy();
      });
      await record(4_999);
      assert.deepEqual([engine.counts().active, records.length], [0, 5_000]);
      await until(async () => openFiles().length === (await connectionsOf(upstream)) + countOpen(clients));
    });

    test('two hundred clients that send a byte now and then do not keep another client waiting', async (t) => {
      const { dial, engine } = await rig(t, await serve(t, echo));
      const slow = Array.from({ length: 200 }, () => dial());
      for (const client of slow) client.write('s');
      await Promise.all(slow.map((client) => readBytes(client, 1)));
      const quick = dial();
      quick.end('quick');
      assert.equal((await readAll(quick)).toString(), 'quick');
      for (const client of slow) client.end('t');
      await Promise.all(slow.map((client) => ending(client)));
      await until(() => engine.counts().active === 0);
    });
  }),
);

test('at 96 open files 150 clients do not kill a proxy, and the next client is served', async (t) => {
  const { proxy, address } = await proxyWithFiles(t, 96);
  const clients = Array.from({ length: 150 }, () => dial(t, address));
  const outcomes = { served: 0, refused: 0 };
  for (const client of clients) {
    client.once('data', () => {
      outcomes.served += 1;
    });
    client.once('error', () => {
      outcomes.refused += 1;
    });
    client.write('x');
  }
  await until(() => outcomes.served > 0 && outcomes.served + outcomes.refused > 100);
  assert.ok(outcomes.refused > 0);
  for (const client of clients) client.destroy();
  for (let answer = ''; answer !== 'next'; ) {
    const client = dial(t, address);
    client.end('next');
    answer = (await readAll(client).catch(() => Buffer.from(''))).toString();
  }
  assert.equal(proxy.exitCode, null);
});

const skip = process.platform !== 'linux' && 'needs /proc (Linux)';
test('a proxy that is full of clients is not out of files', { skip }, async (t) => {
  const { proxy, address } = await proxyWithFiles(t, 512);
  const clients = Array.from({ length: 400 }, () => dial(t, address));
  let served = 0;
  let refused = 0;
  for (const client of clients) {
    client.once('data', () => {
      served += 1;
    });
    client.once('error', () => {
      refused += 1;
    });
    client.write('x');
  }
  await until(() => refused > 0 && served + refused > 350);
  const open = readdirSync(`/proc/${proxy.pid}/fd`).length;
  assert.ok(open > 2 * served && open < (512 * OPEN_FILES_RESTART_PERCENT) / 100, `${open} open files`);
});

const proxyWithFiles = async (t: TestContext, files: number) => {
  const upstream = await serve(t, echo);
  const port = await freePort();
  const command = `ulimit -n ${files}; exec "$0" dist/cli.js proxy 127.0.0.1:${port} 127.0.0.1 ${upstream.port}`;
  const proxy = spawn('bash', ['-c', command, process.execPath], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => proxy.kill('SIGKILL'));
  const lines = createInterface({ input: proxy.stdout });
  await once(lines, 'line');
  return { proxy, address: { host: '127.0.0.1', port } };
};

/** Runs it so many times, 50 at a time. */
const inBatches = async (count: number, run: () => Promise<void>): Promise<void> => {
  for (let n = 0; n < count; n += 50) await Promise.all(Array.from({ length: 50 }, run));
};

/** The sockets of the test's own clients. One that is still open is no file of the engine's, and neither are the upstream's. */
const countOpen = (clients: readonly Socket[]): number => clients.filter(({ closed }) => !closed).length;

const connectionsOf = ({ server }: { readonly server: Server }): Promise<number> =>
  new Promise((done, fail) => {
    server.getConnections((error, count) => (error ? fail(error) : done(count)));
  });

/** Sends, half-closes, resets, leaves, or sends nonsense. */
const misbehave = (socket: Socket): void => {
  const acts: readonly (() => void)[] = [
    () => socket.destroy(),
    () => socket.resetAndDestroy(),
    () => socket.end('GET / HTTP/1.1\r\n\r\n'),
    () => socket.end(),
    () => socket.write(Buffer.alloc(100_000, 0xff), () => socket.resetAndDestroy()),
    () => socket.write('half a line'),
    () => socket.write('x', () => socket.destroy()),
  ];
  socket.resume().once('end', () => socket.end());
  acts[Math.floor(Math.random() * acts.length)]?.();
};
