import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { readUnsentBytes } from '../../../../src/system/proc/tcp-queue.ts';
import { ending, forEachEngine, readAll, readBytes, serve } from '../../../support/proxy/proxy-harness.ts';
import { digest, stalled } from '../../../support/proxy-observation.ts';
import { until } from '../../../support/until.ts';

/** What every engine must do with a connection that one side has reset. */
forEachEngine((name, rig) =>
  describe(`resets through the ${name} engine`, () => {
    test("an upstream's reset is passed on as a reset", async (t) => {
      const upstream = await serve(t, (socket) => socket.once('data', () => socket.resetAndDestroy()));
      const { dial, record } = await rig(t, upstream);
      const client = dial();
      client.write('x');
      assert.equal(await ending(client), 'ECONNRESET');
      assert.equal((await record(0)).reason, 'upstream_reset');
    });

    test("a client's reset is passed on as a reset", async (t) => {
      let upstreamEnding: Promise<string> | undefined;
      const upstream = await serve(t, (socket) => {
        socket.once('data', () => client.resetAndDestroy());
        upstreamEnding = ending(socket);
      });
      const { dial, record } = await rig(t, upstream);
      const client = dial();
      client.write('x');
      assert.equal((await record(0)).reason, 'client_reset');
      assert.equal(await upstreamEnding, 'ECONNRESET');
    });

    for (const [side, how, when, lateMs] of [
      ['an upstream', 'upstream_reset', '', 0],
      ['a client', 'client_reset', '', 0],
      ['an upstream', 'upstream_reset', ', to a reader that is 100 ms late too', 100],
      ['a client', 'client_reset', ', to a reader that is 100 ms late too', 100],
    ] as const)
      test(`what ${side} sent before its reset is delivered first${when}`, async (t) => {
        const sent = randomBytes(300_000);
        let far: Socket | undefined;
        const upstream = await serve(t, (socket) => {
          far = socket.pause();
        });
        const { dial, record } = await rig(t, upstream);
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
        if (lateMs > 0) await new Promise((done) => setTimeout(done, lateMs));
        const received: Buffer[] = [];
        reader.on('data', (chunk: Buffer) => received.push(chunk));
        assert.equal(await ending(reader), 'ECONNRESET');
        assert.equal(digest(Buffer.concat(received)), digest(sent));
        assert.equal((await record(0)).reason, how);
      });

    for (const [side, how] of [
      ['an upstream', 'upstream_reset'],
      ['a client', 'client_reset'],
    ] as const)
      test(`a reset of ${side} that comes together with its last bytes is passed on as a reset after them`, async (t) => {
        let far: Socket | undefined;
        const upstream = await serve(t, (socket) => {
          far = socket;
        });
        const { dial, record } = await rig(t, upstream);
        const near = dial();
        near.write('x');
        await until(() => far !== undefined);
        assert.ok(far);
        await readBytes(far, 1);
        const [sender, reader] = how === 'upstream_reset' ? [far, near] : [near, far];
        const received: Buffer[] = [];
        reader.on('data', (chunk: Buffer) => received.push(chunk));
        // Both are in the kernel before the portable engine, on this very event loop, can read either.
        sender.write('last');
        sender.resetAndDestroy();
        assert.equal(await ending(reader), 'ECONNRESET');
        assert.equal(String(Buffer.concat(received)), 'last');
        assert.equal((await record(0)).reason, how);
      });

    test('a reset in the middle of an answer is passed on though the client has half-closed', async (t) => {
      const upstream = await serve(t, (socket) => {
        void readAll(socket).then(() => socket.write(Buffer.alloc(50_000), () => socket.resetAndDestroy()));
      });
      const { dial, record } = await rig(t, upstream);
      for (let n = 0; n < 50; n += 1) {
        const client = dial();
        client.end('question');
        assert.equal(await ending(client), 'ECONNRESET', `client ${n}`);
        assert.equal((await record(n)).reason, 'upstream_reset');
      }
    });

    test('an upstream that accepts a client which has reset meanwhile sees a reset, not an end', async (t) => {
      const endings: Promise<string>[] = [];
      const upstream = await serve(t, (socket) => endings.push(ending(socket)));
      const { dial, record } = await rig(t, upstream);
      for (let n = 0; n < 40; n += 1) {
        const client = dial();
        client.once('connect', () => client.resetAndDestroy());
        assert.equal((await record(n)).reason, 'client_reset');
      }
      assert.deepEqual(
        [...new Set(await Promise.all(endings))].filter((how) => how !== 'ECONNRESET'),
        [],
      );
    });

    test('a hundred resets at once are each passed on', async (t) => {
      const upstream = await serve(t, (socket) => {
        far.push(socket);
        socket.write('x');
      });
      const far: Socket[] = [];
      const { dial } = await rig(t, upstream);
      const clients = Array.from({ length: 100 }, () => dial());
      await Promise.all(clients.map((client) => readBytes(client, 1)));
      const endings = clients.map((client) => ending(client));
      for (const socket of far) socket.resetAndDestroy();
      assert.deepEqual([...new Set(await Promise.all(endings))], ['ECONNRESET']);
    });

    for (const [size, halfCloseTimeoutMs] of [
      [300_000, 0],
      [20_000_000, 100],
    ] as const)
      test(`a reader that takes none of ${size} bytes does not keep a connection that was reset`, async (t) => {
        let far: Socket | undefined;
        const upstream = await serve(t, (socket) => {
          far = socket;
          socket.write(randomBytes(size));
        });
        const { dial, record, engine } = await rig(t, upstream, { halfCloseTimeoutMs });
        const client = dial().pause();
        await stalled(() => engine.counts().bytesToClient);
        far?.resetAndDestroy();
        // The engine does not read either now: it notices the reset when it writes.
        client.write('x');
        assert.equal((await record(0)).reason, 'upstream_reset');
      });

    test('what the engine held back for a reader when the sender reset is delivered too', async (t) => {
      let far: Socket | undefined;
      const upstream = await serve(t, (socket) => {
        far = socket;
      });
      const { dial, record, engine } = await rig(t, upstream);
      const client = dial().pause();
      await until(() => far !== undefined);
      assert.ok(far);
      let sent = 0;
      const passedOn = () => engine.counts().bytesToClient;
      do {
        far.write(Buffer.alloc(16_000));
        sent += 16_000;
        await settled(passedOn, sent);
      } while (passedOn() === sent);
      while ((await unsent(far)) > 0);
      await turns(50);
      far.resetAndDestroy();
      // The portable engine does not read either now: it notices the reset when it writes. The kernel engine gets an event.
      if (name === 'portable') client.write('x');
      let received = 0;
      client.on('data', (bytes: Buffer) => {
        received += bytes.length;
      });
      assert.equal(await ending(client), 'ECONNRESET');
      assert.equal(received, sent);
      assert.equal((await record(0)).reason, 'upstream_reset');
    });
  }),
);

const unsent = async ({
  localAddress = '',
  localPort = 0,
  remoteAddress = '',
  remotePort = 0,
}: Socket): Promise<number> =>
  (await readUnsentBytes(
    { host: localAddress, port: localPort },
    { host: remoteAddress, port: remotePort },
  )) ?? 0;

const turns = async (count: number): Promise<void> => {
  for (let n = 0; n < count; n += 1) await new Promise((done) => setImmediate(done));
};

/** Settles when the number is `expected`, or has not changed over many turns of the event loop. */
const settled = async (bytes: () => number, expected: number): Promise<void> => {
  for (let same = 0, before = -1; same < 2_000 && bytes() !== expected; before = bytes()) {
    await new Promise((done) => setImmediate(done));
    same = bytes() === before ? same + 1 : 0;
  }
};
