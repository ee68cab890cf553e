import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import {
  echo,
  forEachEngine,
  freePort,
  pump,
  readAll,
  readBytes,
  serve,
} from '../../../support/proxy/proxy-harness.ts';
import { digest, stalled } from '../../../support/proxy-observation.ts';
import { needs, needsProgram } from '../../../support/requirements.ts';
import { until } from '../../../support/until.ts';

/** What every engine must do with the bytes of a connection. */
forEachEngine((name, rig) =>
  describe(`bytes through the ${name} engine`, () => {
    test('200 MB arrive whole and in order in both directions at once', async (t) => {
      const { dial } = await rig(t, await serve(t, echo));
      const chunk = randomBytes(100_000);
      const size = 200_000_000;
      const sent = createHash('sha256');
      const received = createHash('sha256');
      for (let bytes = 0; bytes < size; bytes += chunk.length) sent.update(chunk);
      const client = dial();
      client.on('data', (bytes: Buffer) => received.update(bytes));
      pump(client, chunk, size);
      await once(client, 'end');
      assert.equal(received.digest('hex'), sent.digest('hex'));
    });

    test('arrive whole at every size around the buffers', async (t) => {
      const { dial } = await rig(t, await serve(t, echo));
      for (const withFault of [1, 16_384, 65_536, 131_072])
        for (const size of [withFault - 1, withFault, withFault + 1].filter((bytes) => bytes > 0)) {
          const sent = randomBytes(size);
          const client = dial();
          client.end(sent);
          assert.deepEqual(await readAll(client), sent, `${size} bytes`);
        }
    });

    test('of a hundred clients at once do not mix', async (t) => {
      const { dial, engine, record } = await rig(t, await serve(t, echo));
      const all = Array.from({ length: 100 }, async (_, n) => {
        const client = dial();
        client.end(`client ${n}`);
        assert.equal((await readAll(client)).toString(), `client ${n}`);
      });
      await Promise.all(all);
      assert.deepEqual([(await record(99)).active, (await record(99)).isConnected], [0, true]);
      const { active, total, waitingForUpstream, waitingForSlot, bytesToUpstream, bytesToClient } =
        engine.counts();
      assert.deepEqual([active, total, waitingForUpstream, waitingForSlot], [0, 100, 0, 0]);
      assert.deepEqual([bytesToUpstream, bytesToClient], [890, 890]);
    });

    test('of a server that speaks first reach a silent client', async (t) => {
      const { dial } = await rig(t, await serve(t, (socket) => socket.end('220 ready\r\n')));
      const client = dial();
      assert.equal((await readAll(client)).toString(), '220 ready\r\n');
    });

    test('stop flowing while the reader does not read, and go on when it does', async (t) => {
      const size = 60_000_000;
      const chunk = randomBytes(60_000);
      let reader: Socket | undefined;
      const upstream = await serve(t, (socket) => {
        reader = socket.pause();
      });
      const { dial } = await rig(t, upstream);
      const pumped = pump(dial(), chunk, size);
      await stalled(() => pumped.bytes);
      assert.ok(pumped.bytes < size / 2, `${pumped.bytes} bytes went into a pipe that nobody reads`);
      assert.ok(reader);
      const expected = Buffer.concat(Array.from({ length: size / chunk.length }, () => chunk));
      assert.equal(digest(await readAll(reader)), digest(expected));
    });

    test('8 MB and an immediate close arrive whole', async (t) => {
      const sent = randomBytes(8_000_000);
      const upstream = await serve(t, (socket) => {
        socket.end(sent);
        socket.resume();
      });
      const { dial } = await rig(t, upstream);
      const client = dial();
      client.end('x');
      assert.equal(digest(await readAll(client)), digest(sent));
    });

    test('what comes after urgent data arrives without it', {
      skip: needs(needsProgram('perl', 'perl-base')),
      timeout: 60_000,
    }, async (t) => {
      const port = await freePort();
      const { engine, address } = await rig(t, { host: '127.0.0.1', port }, { holdMs: 60_000 });
      const script = `use Socket; socket(my $s, PF_INET, SOCK_STREAM, 0);
        connect $s, sockaddr_in(${address.port}, INADDR_LOOPBACK) or die;
        send $s, 'abc', 0; send $s, 'd', MSG_OOB; send $s, 'efg', 0; $| = 1; print 'sent'; <STDIN>`;
      const client = spawn('perl', ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
      t.after(() => client.kill('SIGKILL'));
      await once(client.stdout, 'data');
      await until(() => engine.counts().waitingForUpstream === 1);
      let arrived: Promise<Buffer> | undefined;
      await serve(
        t,
        (socket) => {
          arrived = readBytes(socket, 6);
        },
        { port },
      );
      await until(() => arrived !== undefined);
      assert.equal(String(await arrived), 'abcefg');
    });
  }),
);
