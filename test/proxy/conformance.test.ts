import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { isLoopback } from '../../src/core/address.ts';
import { localAddresses } from '../../src/host/procfs.ts';
import { unsentBytes } from '../../src/host/socket-table.ts';
import { needs } from '../e2e/needs.ts';
import {
  deaf,
  dial,
  ENGINES,
  echo,
  ending,
  freePort,
  pump,
  readAll,
  readBytes,
  rig,
  serve,
} from './harness.ts';

/** What every engine must do with a connection, byte by byte and ending by ending. */
for (const [name, createEngine] of Object.entries(ENGINES)) {
  describe(`bytes through the ${name} engine`, () => {
    test('200 MB arrive whole and in order in both directions at once', async (t) => {
      const { dial } = await rig(t, createEngine, await serve(t, echo));
      const [chunk, size] = [randomBytes(100_000), 200_000_000];
      const [sent, received] = [createHash('sha256'), createHash('sha256')];
      for (let bytes = 0; bytes < size; bytes += chunk.length) sent.update(chunk);
      const client = dial();
      client.on('data', (bytes: Buffer) => received.update(bytes));
      pump(client, chunk, size);
      await once(client, 'end');
      assert.equal(received.digest('hex'), sent.digest('hex'));
    });

    test('arrive whole at every size around the buffers', async (t) => {
      const { dial } = await rig(t, createEngine, await serve(t, echo));
      for (const around of [1, 16_384, 65_536, 131_072])
        for (const size of [around - 1, around, around + 1].filter((bytes) => bytes > 0)) {
          const sent = randomBytes(size);
          const client = dial();
          client.end(sent);
          assert.deepEqual(await readAll(client), sent, `${size} bytes`);
        }
    });

    test('of a hundred clients at once do not mix', async (t) => {
      const { dial, engine, record } = await rig(t, createEngine, await serve(t, echo));
      const all = Array.from({ length: 100 }, async (_, n) => {
        const client = dial();
        client.end(`client ${n}`);
        assert.equal((await readAll(client)).toString(), `client ${n}`);
      });
      await Promise.all(all);
      await record(99);
      const { active, total, held, waiting, bytesToUpstream, bytesToClient } = engine.counts();
      assert.deepEqual([active, total, held, waiting], [0, 100, 0, 0]);
      assert.deepEqual([bytesToUpstream, bytesToClient], [890, 890]);
    });

    test('of a server that speaks first reach a silent client', async (t) => {
      const { dial } = await rig(t, createEngine, await serve(t, (socket) => socket.end('220 ready\r\n')));
      const client = dial();
      assert.equal((await readAll(client)).toString(), '220 ready\r\n');
    });

    test('stop flowing while the reader does not read, and go on when it does', async (t) => {
      const [size, chunk] = [60_000_000, randomBytes(60_000)];
      let reader: Socket | undefined;
      const upstream = await serve(t, (socket) => {
        reader = socket.pause();
      });
      const { dial } = await rig(t, createEngine, upstream);
      const pumped = pump(dial(), chunk, size);
      await stalled(() => pumped.bytes);
      assert.ok(pumped.bytes < size / 2, `${pumped.bytes} bytes went into a pipe that nobody reads`);
      assert.ok(reader);
      const expected = Buffer.concat(Array.from({ length: size / chunk.length }, () => chunk));
      assert.equal(digest(await readAll(reader)), digest(expected));
    });
  });

  describe(`endings through the ${name} engine`, () => {
    test("a client's FIN is passed on after its data, and the reply that follows arrives whole", async (t) => {
      const upstream = await serve(t, (socket) => {
        void readAll(socket).then((asked) => socket.end(`you said ${asked}`));
      });
      const { dial, record } = await rig(t, createEngine, upstream);
      const client = dial();
      client.end('hello');
      assert.equal((await readAll(client)).toString(), 'you said hello');
      const { reason, bytesToUpstream, bytesToClient } = await record(0);
      assert.deepEqual([reason, bytesToUpstream, bytesToClient], ['done', 5, 14]);
    });

    test("an upstream's FIN is passed on, and the client may go on sending", async (t) => {
      let heard: Promise<Buffer> | undefined;
      const upstream = await serve(t, (socket) => {
        socket.end('bye');
        heard = readAll(socket);
      });
      const { dial, record } = await rig(t, createEngine, upstream);
      const client = dial();
      assert.equal((await readAll(client)).toString(), 'bye');
      client.end('one more thing');
      assert.equal((await heard)?.toString(), 'one more thing');
      assert.equal((await record(0)).reason, 'done');
    });

    test("an upstream's reset is passed on as a reset", async (t) => {
      const upstream = await serve(t, (socket) => socket.once('data', () => socket.resetAndDestroy()));
      const { dial, record } = await rig(t, createEngine, upstream);
      const client = dial();
      client.write('x');
      assert.equal(await ending(client), 'ECONNRESET');
      assert.equal((await record(0)).reason, 'upstream_reset');
    });

    test("a client's reset is passed on as a reset", async (t) => {
      let seen: Promise<string> | undefined;
      const upstream = await serve(t, (socket) => {
        socket.once('data', () => client.resetAndDestroy());
        seen = ending(socket);
      });
      const { dial, record } = await rig(t, createEngine, upstream);
      const client = dial();
      client.write('x');
      assert.equal((await record(0)).reason, 'client_reset');
      assert.equal(await seen, 'ECONNRESET');
    });

    for (const [side, how] of [
      ['an upstream', 'upstream_reset'],
      ['a client', 'client_reset'],
    ] as const)
      test(`what ${side} sent before its reset is delivered first`, async (t) => {
        const sent = randomBytes(200_000);
        let far: Socket | undefined;
        const upstream = await serve(t, (socket) => {
          far = socket.pause();
        });
        const { dial, record } = await rig(t, createEngine, upstream);
        const near = dial().pause();
        near.write('x');
        await until(() => far !== undefined);
        const [sender, reader] = how === 'upstream_reset' ? [far, near] : [near, far];
        assert.ok(sender && reader);
        if (reader === far) await readBytes(far, 1);
        sender.write(sent);
        await until(() => sender.writableLength === 0);
        while ((await unsent(sender)) > 0);
        sender.resetAndDestroy();
        const received: Buffer[] = [];
        reader.on('data', (chunk: Buffer) => received.push(chunk));
        assert.equal(await ending(reader), 'ECONNRESET');
        assert.equal(digest(Buffer.concat(received)), digest(sent));
        assert.equal((await record(0)).reason, how);
      });

    test('8 MB and an immediate close arrive whole', async (t) => {
      const sent = randomBytes(8_000_000);
      const upstream = await serve(t, (socket) => {
        socket.end(sent);
        socket.resume();
      });
      const { dial } = await rig(t, createEngine, upstream);
      const client = dial();
      client.end('x');
      assert.equal(digest(await readAll(client)), digest(sent));
    });

    test("a reply 12 s after the client's FIN arrives whole", async (t) => {
      const upstream = await serve(t, (socket) => {
        void readAll(socket).then(() => setTimeout(() => socket.end('at last'), 12_000));
      });
      const { dial, record } = await rig(t, createEngine, upstream);
      const client = dial();
      client.end('question');
      assert.equal((await readAll(client)).toString(), 'at last');
      assert.ok((await record(0)).totalMs >= 12_000);
    });

    test('the half-close time-out is one of silence, not a deadline', async (t) => {
      const upstream = await serve(t, (socket) => {
        let left = 20;
        const timer = setInterval(() => {
          left -= 1;
          if (left > 0) socket.write('.');
          else socket.end('.');
          if (left === 0) clearInterval(timer);
        }, 100);
        socket.resume();
      });
      const { dial, record } = await rig(t, createEngine, upstream, { halfCloseTimeoutMs: 1_000 });
      const client = dial();
      client.end('x');
      assert.equal((await readAll(client)).toString(), '.'.repeat(20));
      const { reason, totalMs } = await record(0);
      assert.equal(reason, 'done');
      assert.ok(totalMs > 1_000, `${totalMs} ms in all`);
    });

    test('the connect time-out never ends a connection that is open', async (t) => {
      const limits = { connectTimeoutMs: 100, idleTimeoutMs: 500 };
      const { dial, record } = await rig(t, createEngine, await serve(t, echo), limits);
      assert.equal(await ending(dial()), 'ECONNRESET');
      assert.equal((await record(0)).reason, 'idle_timeout');
    });

    test('a silent connection ends after the idle time-out', async (t) => {
      const { dial, record } = await rig(t, createEngine, await serve(t, echo), { idleTimeoutMs: 100 });
      assert.equal(await ending(dial()), 'ECONNRESET');
      assert.equal((await record(0)).reason, 'idle_timeout');
    });

    test('a half-closed connection ends after the half-close time-out', async (t) => {
      const upstream = await serve(t, (socket) => socket.resume());
      const { dial, record } = await rig(t, createEngine, upstream, { halfCloseTimeoutMs: 100 });
      const client = dial();
      client.end('x');
      assert.equal(await ending(client), 'ECONNRESET');
      assert.equal((await record(0)).reason, 'half_close_timeout');
    });

    test('a drain lets what is open finish and refuses what is new', async (t) => {
      const { dial: open, engine, address } = await rig(t, createEngine, await serve(t, echo));
      const client = open();
      client.write('before');
      await readBytes(client, 6);
      const drained = engine.drain(30_000);
      assert.equal(await ending(dial(t, address)), 'ECONNREFUSED');
      client.end('after');
      assert.equal((await readAll(client)).toString(), 'after');
      await drained;
      assert.equal(engine.counts().active, 0);
    });

    test('a drain without time resets what is open', async (t) => {
      const { dial, engine, record } = await rig(t, createEngine, await serve(t, echo));
      const client = dial();
      client.write('x');
      await readBytes(client, 1);
      const ended = ending(client);
      await engine.drain(0);
      assert.equal(await ended, 'ECONNRESET');
      assert.equal((await record(0)).reason, 'drained');
    });
  });

  describe(`dialling by the ${name} engine`, () => {
    test('takes localhost as 127.0.0.1 and then ::1', async (t) => {
      const { port } = await serve(t, echo, { host: '::1' });
      const { dial, record } = await rig(t, createEngine, { host: 'localhost', port });
      const client = dial();
      client.end('six');
      assert.equal((await readAll(client)).toString(), 'six');
      const { upstream, tries } = await record(0);
      assert.deepEqual([upstream, tries], [{ host: '::1', port }, 2]);
    });

    test('refuses honestly when the upstream refuses', async (t) => {
      const { dial, record } = await rig(t, createEngine, { host: '127.0.0.1', port: await freePort() });
      assert.equal(await ending(dial()), 'ECONNRESET');
      const { reason, code, tries } = await record(0);
      assert.deepEqual([reason, code, tries], ['upstream_refused', 'ECONNREFUSED', 1]);
    });

    test('holds a client until the upstream is back, its early bytes first', async (t) => {
      const port = await freePort();
      const { dial, record, engine } = await rig(
        t,
        createEngine,
        { host: '127.0.0.1', port },
        { holdMs: 30_000 },
      );
      const client = dial();
      client.write('early ');
      await once(client, 'connect');
      await until(() => engine.counts().held === 1);
      await serve(t, echo, { port });
      client.end('late');
      assert.equal((await readAll(client)).toString(), 'early late');
      const { reason, tries } = await record(0);
      assert.equal(reason, 'done');
      assert.ok(tries > 1, `${tries} tries`);
    });

    test('remembers which address answered', async (t) => {
      const { port } = await serve(t, echo, { host: '::1' });
      const { dial, record } = await rig(t, createEngine, { host: 'localhost', port });
      for (const [n, tries] of [2, 1, 1].entries()) {
        const client = dial();
        client.end('x');
        await readAll(client);
        assert.equal((await record(n)).tries, tries);
      }
    });

    test('holds a client that has sent everything it has to say', async (t) => {
      const port = await freePort();
      const { dial, engine } = await rig(t, createEngine, { host: '127.0.0.1', port }, { holdMs: 30_000 });
      const client = dial();
      client.end('all of it');
      await until(() => engine.counts().held === 1);
      await serve(t, echo, { port });
      assert.equal((await readAll(client)).toString(), 'all of it');
      assert.equal(engine.counts().held, 0);
      assert.ok((engine.counts().dialFailures['ECONNREFUSED'] ?? 0) > 0);
    });

    test('gives up at the end of the hold with the number of tries', async (t) => {
      const upstream = { host: '127.0.0.1', port: await freePort() };
      const { dial, record } = await rig(t, createEngine, upstream, { holdMs: 500 });
      assert.equal(await ending(dial()), 'ECONNRESET');
      const { reason, tries, holdMs } = await record(0);
      assert.equal(reason, 'upstream_refused');
      assert.ok(tries >= 2, `${tries} tries`);
      assert.ok(holdMs >= 100, `${holdMs} ms`);
    });

    test('holds no more clients than it may', async (t) => {
      const upstream = { host: '127.0.0.1', port: await freePort() };
      const { dial, record, engine } = await rig(t, createEngine, upstream, { holdMs: 30_000, maxHeld: 1 });
      dial();
      await until(() => engine.counts().held === 1);
      assert.equal(await ending(dial()), 'ECONNRESET');
      assert.equal((await record(0)).tries, 1);
      assert.equal(engine.counts().held, 1);
    });

    test('does not hold after a time-out', async (t) => {
      const upstream = await deaf(t);
      const limits = { connectTimeoutMs: 300, holdMs: 60_000 };
      const { dial, record } = await rig(t, createEngine, upstream, limits);
      assert.equal(await ending(dial()), 'ECONNRESET');
      const { reason, tries } = await record(0);
      assert.deepEqual([reason, tries], ['upstream_timeout', 1]);
    });

    test('stops when the client resets', async (t) => {
      const port = await freePort();
      const { dial, record, engine } = await rig(
        t,
        createEngine,
        { host: '127.0.0.1', port },
        { holdMs: 30_000 },
      );
      const client = dial();
      client.write('bytes');
      await until(() => engine.counts().held === 1);
      client.resetAndDestroy();
      assert.equal((await record(0)).reason, 'client_reset');
      assert.equal(engine.counts().held, 0);
    });

    test('stops when the client leaves', async (t) => {
      const port = await freePort();
      const { dial, record } = await rig(t, createEngine, { host: '127.0.0.1', port }, { holdMs: 30_000 });
      const client = dial();
      await once(client, 'connect');
      client.end();
      assert.equal((await record(0)).reason, 'client_gone');
    });

    test('never comes back to its own listener, and costs a client at most 3 open files', async (t) => {
      const port = await freePort('0.0.0.0');
      const own = { host: '0.0.0.0', port };
      const { address, record, engine } = await rig(
        t,
        createEngine,
        { host: 'localhost', port },
        { holdMs: 400 },
        own,
      );
      assert.equal(address.port, port);
      const before = openFiles();
      const client = connect({ host: '127.0.0.1', port });
      t.after(() => client.destroy());
      const ended = ending(client);
      await until(() => engine.counts().held === 1);
      assert.ok(openFiles() - before <= 3, `${openFiles() - before} more open files`);
      assert.equal(await ended, 'ECONNRESET');
      assert.equal((await record(0)).reason, 'upstream_refused');
      assert.equal(engine.counts().total, 1);
    });

    test('says so when every address of the upstream is its own listener', async (t) => {
      const port = await freePort('0.0.0.0');
      const own = { host: '0.0.0.0', port };
      const { record, engine } = await rig(t, createEngine, { host: '127.0.0.1', port }, {}, own);
      assert.equal(await ending(dial(t, { host: '127.0.0.1', port })), 'ECONNRESET');
      const { reason, tries } = await record(0);
      assert.deepEqual([reason, tries, engine.counts().total], ['loop', 0, 1]);
    });

    test('notices at run time that it dialled itself', async (t) => {
      const outside = localAddresses().find((host) => !isLoopback(host) && !host.includes(':'));
      const missing = needs(outside === undefined ? 'needs an IPv4 address other than loopback' : undefined);
      if (outside === undefined) return t.skip(String(missing));
      const port = await freePort('0.0.0.0');
      const unaware = { allow: ['any'] };
      const own = { host: '0.0.0.0', port };
      const { engine, records } = await rig(t, createEngine, { host: outside, port }, unaware, own);
      assert.equal(await ending(dial(t, { host: '127.0.0.1', port })), 'ECONNRESET');
      await until(() => engine.counts().active === 0);
      assert.ok(records.some(({ reason }) => reason === 'loop'));
      assert.ok(engine.counts().total <= 2, `${engine.counts().total} connections from one`);
    });

    test('serves clients whose local port the system gave to its own connections too', async (t) => {
      const { dial, engine, record, records } = await rig(t, createEngine, await serve(t, echo));
      const open = Array.from({ length: 100 }, () => dial());
      for (const client of open) client.write('x');
      await Promise.all(open.map((client) => readBytes(client, 1)));
      for (let n = 0; n < 3_000; n += 1) {
        const client = dial();
        client.end('y');
        await readAll(client);
      }
      await record(2_999);
      assert.deepEqual([...new Set(records.map(({ reason }) => reason))], ['done']);
      assert.equal(engine.counts().active, 100);
    });

    test('never takes a connection to itself for the upstream', async (t) => {
      const upstream = { host: '127.0.0.1', port: await freePort() };
      const { dial, record } = await rig(t, createEngine, upstream);
      const clients = Array.from({ length: 300 }, () => ending(dial()));
      assert.deepEqual([...new Set(await Promise.all(clients))], ['ECONNRESET']);
      await record(299);
    });
  });

  describe(`limits of the ${name} engine`, () => {
    test('a client that is not on the allow list is reset and named', async (t) => {
      const { dial, record } = await rig(t, createEngine, await serve(t, echo), { allow: ['10.0.0.0/8'] });
      assert.equal(await ending(dial()), 'ECONNRESET');
      const { reason, client } = await record(0);
      assert.deepEqual([reason, client.host], ['not_allowed', '127.0.0.1']);
    });

    test('a client over the limit waits for a place, and one more is refused', async (t) => {
      const limits = { maxConnections: 1, maxHeld: 1 };
      const { dial, record, engine } = await rig(t, createEngine, await serve(t, echo), limits);
      const first = dial();
      first.write('1');
      await readBytes(first, 1);
      const second = dial();
      second.end('second');
      await until(() => engine.counts().waiting === 1);
      assert.equal(await ending(dial()), 'ECONNRESET');
      assert.equal((await record(0)).reason, 'too_many');
      assert.equal(second.bytesRead, 0);
      first.end();
      assert.equal((await readAll(second)).toString(), 'second');
      await record(2);
      assert.equal(engine.counts().active, 0);
    });

    test('a client that leaves while it waits for a place costs nothing', async (t) => {
      const { dial, record, engine } = await rig(t, createEngine, await serve(t, echo), {
        maxConnections: 1,
      });
      const first = dial();
      first.write('1');
      await readBytes(first, 1);
      const second = dial();
      await until(() => engine.counts().waiting === 1);
      second.end();
      assert.equal((await record(0)).reason, 'client_gone');
      assert.equal(engine.counts().waiting, 0);
      first.end('2');
      assert.equal((await readAll(first)).toString(), '2');
    });

    test('every connection that a drain cuts is told of before the drain is over', async (t) => {
      const { dial, engine, records } = await rig(t, createEngine, await serve(t, echo));
      const clients = Array.from({ length: 20 }, () => dial());
      for (const client of clients) client.write('x');
      await Promise.all(clients.map((client) => readBytes(client, 1)));
      await engine.drain(0);
      assert.deepEqual(
        records.map(({ reason }) => reason),
        Array(20).fill('drained'),
      );
    });

    test('a hundred resets at once are each passed on', async (t) => {
      const upstream = await serve(t, (socket) => {
        far.push(socket);
        socket.write('x');
      });
      const far: Socket[] = [];
      const { dial } = await rig(t, createEngine, upstream);
      const clients = Array.from({ length: 100 }, () => dial());
      await Promise.all(clients.map((client) => readBytes(client, 1)));
      const endings = clients.map((client) => ending(client));
      for (const socket of far) socket.resetAndDestroy();
      assert.deepEqual([...new Set(await Promise.all(endings))], ['ECONNRESET']);
    });

    test("the monitor's checks are neither counted nor logged", async (t) => {
      const { engine, address, records } = await rig(t, createEngine, await serve(t, echo), { allow: [] });
      const check = async (forward: boolean): Promise<Socket> => {
        const localPort = await freePort();
        engine.expectCheck(localPort, forward);
        const socket = connect({ ...address, localPort, allowHalfOpen: true });
        t.after(() => socket.destroy());
        return socket;
      };
      assert.equal(await ending(await check(false)), 'FIN');
      const through = await check(true);
      through.end('through');
      assert.equal((await readAll(through)).toString(), 'through');
      const { active, total, held, waiting } = engine.counts();
      assert.deepEqual([active, total, held, waiting, records.length], [0, 0, 0, 0, 0]);
    });
  });
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const unsent = async ({
  localAddress = '',
  localPort = 0,
  remoteAddress = '',
  remotePort = 0,
}: Socket): Promise<number> =>
  (await unsentBytes({ host: localAddress, port: localPort }, { host: remoteAddress, port: remotePort })) ??
  0;
const openFiles = (): number => readdirSync('/proc/self/fd').length;

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((done) => setImmediate(done));
};

/** The number grew, and then no more over many turns of the event loop. */
const stalled = async (bytes: () => number): Promise<void> => {
  for (let same = 0, before = 0; same < 20_000; before = bytes()) {
    await new Promise((done) => setImmediate(done));
    same = bytes() > 0 && bytes() === before ? same + 1 : 0;
  }
};
