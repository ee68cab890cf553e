import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { HAS_PROCFS } from '../../../src/system/proc/procfs.ts';
import { readUnsentBytes } from '../../../src/system/proc/tcp-queue.ts';
import { createHost } from '../../support/network-namespace.ts';
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
} from '../../support/proxy-harness.ts';
import { needs, needsOutside, needsProgram, needsRoot, OUTSIDE } from '../../support/requirements.ts';
import { until } from '../../support/until.ts';

/** What every engine must do with a connection, from its first byte to its end. */
for (const [name, createEngine] of Object.entries(ENGINES)) {
  describe(`bytes through the ${name} engine`, () => {
    test('200 MB arrive whole and in order in both directions at once', async (t) => {
      const { dial } = await rig(t, createEngine, await serve(t, echo));
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
      const { dial } = await rig(t, createEngine, await serve(t, echo));
      for (const withFault of [1, 16_384, 65_536, 131_072])
        for (const size of [withFault - 1, withFault, withFault + 1].filter((bytes) => bytes > 0)) {
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
      assert.deepEqual([(await record(99)).active, (await record(99)).isConnected], [0, true]);
      const { active, total, waitingForUpstream, waitingForSlot, bytesToUpstream, bytesToClient } =
        engine.counts();
      assert.deepEqual([active, total, waitingForUpstream, waitingForSlot], [0, 100, 0, 0]);
      assert.deepEqual([bytesToUpstream, bytesToClient], [890, 890]);
    });

    test('of a server that speaks first reach a silent client', async (t) => {
      const { dial } = await rig(t, createEngine, await serve(t, (socket) => socket.end('220 ready\r\n')));
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
      const { dial } = await rig(t, createEngine, upstream);
      const pumped = pump(dial(), chunk, size);
      await stalled(() => pumped.bytes);
      assert.ok(pumped.bytes < size / 2, `${pumped.bytes} bytes went into a pipe that nobody reads`);
      assert.ok(reader);
      const expected = Buffer.concat(Array.from({ length: size / chunk.length }, () => chunk));
      assert.equal(digest(await readAll(reader)), digest(expected));
    });
  });

  describe(`sockets of the ${name} engine`, () => {
    test('send at once, and probe the peer after 30 s of silence, on both sides', {
      skip: needs(HAS_PROCFS ? undefined : 'needs /proc', needsProgram('perl', 'perl-base')),
      timeout: 60_000,
    }, async (t) => {
      const upstream = await serve(t, echo);
      const { dial, address } = await rig(t, createEngine, upstream);
      const before = new Set(openSockets());
      const client = dial();
      client.write('x');
      await readBytes(client, 1);
      const fds = openSockets().filter((fd) => !before.has(fd));
      const sides = (): readonly (SocketOptions | undefined)[] => {
        const found = optionsOf(fds);
        return [
          found.find(({ local }) => local === address.port),
          found.find(({ remote }) => remote === upstream.port),
        ];
      };
      // The kernel engine turns keepalive on only after a connection has been open for a while.
      while (sides().some((side) => side?.keepalive === 0)) await pause(100);
      for (const side of sides()) {
        const { local, remote, ...options } = side ?? assert.fail('no such socket');
        assert.deepEqual(options, { nodelay: 1, keepalive: 1, idleSeconds: 30 }, `${local} → ${remote}`);
      }
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

    test('what comes after urgent data arrives without it', {
      skip: needs(needsProgram('perl', 'perl-base')),
      timeout: 60_000,
    }, async (t) => {
      const port = await freePort();
      const { engine, address } = await rig(t, createEngine, { host: '127.0.0.1', port }, { holdMs: 60_000 });
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

    test("an upstream's FIN is passed on, and the client may go on sending", async (t) => {
      let received: Promise<Buffer> | undefined;
      const upstream = await serve(t, (socket) => {
        socket.end('bye');
        received = readAll(socket);
      });
      const { dial, record } = await rig(t, createEngine, upstream);
      const client = dial();
      assert.equal((await readAll(client)).toString(), 'bye');
      client.end('one more thing');
      assert.equal((await received)?.toString(), 'one more thing');
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
      let upstreamEnding: Promise<string> | undefined;
      const upstream = await serve(t, (socket) => {
        socket.once('data', () => client.resetAndDestroy());
        upstreamEnding = ending(socket);
      });
      const { dial, record } = await rig(t, createEngine, upstream);
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
        if (lateMs > 0) await new Promise((done) => setTimeout(done, lateMs));
        const received: Buffer[] = [];
        reader.on('data', (chunk: Buffer) => received.push(chunk));
        assert.equal(await ending(reader), 'ECONNRESET');
        assert.equal(digest(Buffer.concat(received)), digest(sent));
        assert.equal((await record(0)).reason, how);
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
        const { dial, record, engine } = await rig(t, createEngine, upstream, { halfCloseTimeoutMs });
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
      const { dial, record, engine } = await rig(t, createEngine, upstream);
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

    test('the half-close time-out limits silence, and is no deadline', async (t) => {
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

    for (const side of ['client', 'upstream'] as const)
      test(`the idle time-out limits silence, and the ${side} alone can break it`, async (t) => {
        const talk = (socket: Socket): void => {
          let left = 20;
          const timer = setInterval(() => {
            left -= 1;
            if (left > 0) socket.write('.');
            else socket.end('.');
            if (left === 0) clearInterval(timer);
          }, 100);
        };
        let upstreamReceived: Promise<Buffer> | undefined;
        const upstream = await serve(t, (socket) => {
          upstreamReceived = readAll(socket);
          if (side === 'upstream') talk(socket);
          else socket.once('end', () => socket.end());
        });
        const { dial, record } = await rig(t, createEngine, upstream, { idleTimeoutMs: 1_000 });
        const client = dial();
        if (side === 'client') talk(client);
        else client.once('end', () => client.end());
        const answered = await readAll(client);
        const received = { client: await upstreamReceived, upstream: answered };
        const { reason, totalMs } = await record(0);
        assert.equal(reason, 'done');
        assert.equal(String(received[side]), '.'.repeat(20));
        assert.ok(totalMs > 1_000, `${totalMs} ms in all`);
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
      const { port } = await serve(t, echo, { host: '::1', port: await freePort() });
      const { dial, record } = await rig(t, createEngine, { host: 'localhost', port });
      const client = dial();
      client.end('six');
      assert.equal((await readAll(client)).toString(), 'six');
      const { upstream, tries } = await record(0);
      assert.deepEqual([upstream, tries], [{ host: '::1', port }, 2]);
    });

    test('refuses the client when the upstream refuses', async (t) => {
      const { dial, record } = await rig(t, createEngine, { host: '127.0.0.1', port: await freePort() });
      assert.equal(await ending(dial()), 'ECONNRESET');
      const { reason, code, tries, isConnected } = await record(0);
      assert.deepEqual([reason, code, tries, isConnected], ['upstream_refused', 'ECONNREFUSED', 1, false]);
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
      await until(() => (engine.counts().connectFailures['ECONNREFUSED'] ?? 0) >= 3);
      assert.equal(engine.counts().waitingForUpstream, 1);
      await serve(t, echo, { port });
      client.end('late');
      assert.equal((await readAll(client)).toString(), 'early late');
      const { reason, tries } = await record(0);
      assert.equal(reason, 'done');
      assert.ok(tries > 3, `${tries} tries`);
    });

    test('remembers which address answered', async (t) => {
      const { port } = await serve(t, echo, { host: '::1', port: await freePort() });
      const { dial, record } = await rig(t, createEngine, { host: 'localhost', port });
      for (const [n, tries] of [2, 1, 1].entries()) {
        const client = dial();
        client.end('x');
        await readAll(client);
        assert.equal((await record(n)).tries, tries);
      }
    });

    test('holds a client that has half-closed already', async (t) => {
      const port = await freePort();
      const { dial, engine } = await rig(t, createEngine, { host: '127.0.0.1', port }, { holdMs: 30_000 });
      const client = dial();
      client.end('all of it');
      await until(() => engine.counts().waitingForUpstream === 1);
      await serve(t, echo, { port });
      assert.equal((await readAll(client)).toString(), 'all of it');
      assert.equal(engine.counts().waitingForUpstream, 0);
      assert.ok((engine.counts().connectFailures['ECONNREFUSED'] ?? 0) > 0);
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

    test('holds no more clients than maxHeld', async (t) => {
      const upstream = { host: '127.0.0.1', port: await freePort() };
      const { dial, record, engine } = await rig(t, createEngine, upstream, { holdMs: 30_000, maxHeld: 1 });
      dial();
      await until(() => engine.counts().waitingForUpstream === 1);
      assert.equal(await ending(dial()), 'ECONNRESET');
      assert.equal((await record(0)).tries, 1);
      assert.equal(engine.counts().waitingForUpstream, 1);
    });

    for (const [host, what, addresses] of [
      ['127.0.0.1', '', 1],
      ['localhost', ' of one address, though the other refuses', 2],
    ] as const)
      test(`does not hold after a time-out${what}`, async (t) => {
        const { port } = await deaf(t);
        const limits = { connectTimeoutMs: 300, holdMs: 60_000 };
        const { dial, record } = await rig(t, createEngine, { host, port }, limits);
        assert.equal(await ending(dial()), 'ECONNRESET');
        const { reason, tries } = await record(0);
        assert.deepEqual([reason, tries], ['upstream_timeout', addresses]);
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
      await until(() => engine.counts().waitingForUpstream === 1);
      client.resetAndDestroy();
      assert.equal((await record(0)).reason, 'client_reset');
      assert.equal(engine.counts().waitingForUpstream, 0);
    });

    test('stops when the client resets before the upstream has answered', async (t) => {
      const upstream = await deaf(t);
      const { dial, record, engine } = await rig(t, createEngine, upstream, { connectTimeoutMs: 60_000 });
      const before = openFiles();
      const client = dial();
      // Both ends of the client's connection, and the socket to the upstream.
      await until(() => openFiles() === before + 3);
      client.resetAndDestroy();
      assert.equal((await record(0)).reason, 'client_reset');
      await until(() => openFiles() === before);
      assert.equal(engine.counts().active, 0);
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
      await until(() => engine.counts().waitingForUpstream === 1);
      assert.ok(openFiles() - before <= 3, `${openFiles() - before} more open files`);
      assert.equal(await ended, 'ECONNRESET');
      assert.equal((await record(0)).reason, 'upstream_refused');
      assert.equal(engine.counts().total, 1);
    });

    test('gives the reason loop when every address of the upstream is its own listener', async (t) => {
      const port = await freePort('0.0.0.0');
      const own = { host: '0.0.0.0', port };
      const { record, engine } = await rig(t, createEngine, { host: '127.0.0.1', port }, {}, own);
      assert.equal(await ending(dial(t, { host: '127.0.0.1', port })), 'ECONNRESET');
      const { reason, tries } = await record(0);
      assert.deepEqual([reason, tries, engine.counts().total], ['loop', 0, 1]);
    });

    test('notices at run time that it dialled itself', { skip: needs(needsOutside()) }, async (t) => {
      const port = await freePort('0.0.0.0');
      const unaware = { allow: ['any'] };
      const own = { host: '0.0.0.0', port };
      const { engine, records } = await rig(t, createEngine, { host: OUTSIDE, port }, unaware, own);
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

    test('never takes a connection to itself for the upstream', {
      skip: needs(needsRoot(), needsProgram('ip', 'iproute2')),
    }, async (t) => {
      const host = createHost('self');
      t.after(() => host.remove());
      // Linux gives the even ports of the range first. The range has one, and it is the port that is dialled.
      const range = 'echo 40000 40001 >/proc/sys/net/ipv4/ip_local_port_range';
      execFileSync('ip', ['netns', 'exec', host.name, 'sh', '-c', range]);
      const args = ['127.0.0.1:7000', '127.0.0.1', '40000', '--hold-ms', '0', '--engine', name];
      const proxy = host.start(process.execPath, ['dist/cli.js', 'proxy', ...args]);
      await until(() => proxy.output().includes('listening'), 'the listener');
      const script = `require('net').connect(7000, '127.0.0.1').on('error', ({ code }) => console.log(code))`;
      const client = host.start(process.execPath, ['-e', script]);
      await until(() => client.output() !== '', 'the end');
      assert.equal(client.output(), 'ECONNRESET\n');
      await until(() => proxy.output().includes('(ESELF)'), 'the word of it');
    });
  });

  describe(`listeners of the ${name} engine`, () => {
    test('on 0.0.0.0 and on :: work beside each other, each with its own clients', async (t) => {
      const everywhere = { host: '0.0.0.0', port: await freePort('0.0.0.0') };
      const { engine, records } = await rig(t, createEngine, await serve(t, echo), {}, everywhere);
      await engine.listen({ ...everywhere, host: '::' });
      for (const host of ['127.0.0.1', '::1']) {
        const client = dial(t, { ...everywhere, host });
        client.end(host);
        assert.equal((await readAll(client)).toString(), host);
      }
      await until(() => records.length === 2);
      assert.deepEqual(
        records.map(({ client }) => client.host),
        ['127.0.0.1', '::1'],
      );
    });
  });

  describe(`limits of the ${name} engine`, () => {
    test('a client that is not on the allow list is reset, and recorded with its address', async (t) => {
      const { dial, record } = await rig(t, createEngine, await serve(t, echo), { allow: ['10.0.0.0/8'] });
      assert.equal(await ending(dial()), 'ECONNRESET');
      const { reason, client } = await record(0);
      assert.deepEqual([reason, client.host], ['not_allowed', '127.0.0.1']);
    });

    test('a client over the limit waits for a slot, and one more is refused', async (t) => {
      const limits = { maxConnections: 1, maxHeld: 1 };
      const { dial, record, engine } = await rig(t, createEngine, await serve(t, echo), limits);
      const first = dial();
      first.write('1');
      await readBytes(first, 1);
      const second = dial();
      second.end('second');
      await until(() => engine.counts().waitingForSlot === 1);
      assert.equal(await ending(dial()), 'ECONNRESET');
      assert.equal((await record(0)).reason, 'too_many');
      assert.equal(second.bytesRead, 0);
      first.end();
      assert.equal((await readAll(second)).toString(), 'second');
      await record(2);
      assert.equal(engine.counts().active, 0);
    });

    test('clients that wait for a slot are served in the order in which they came', async (t) => {
      const limits = { maxConnections: 1 };
      const { dial, record, engine } = await rig(t, createEngine, await serve(t, echo), limits);
      const clients: Socket[] = [];
      for (const n of [0, 1, 2]) {
        clients.push(dial());
        await until(() => engine.counts().active + engine.counts().waitingForSlot === n + 1);
      }
      const ports = clients.map(({ localPort }) => localPort);
      for (const client of clients) client.end('x');
      const records = await Promise.all([0, 1, 2].map(record));
      assert.deepEqual(
        records.map(({ client }) => client.port),
        ports,
      );
    });

    test('clients that wait for the upstream and clients that wait for a slot are counted together', async (t) => {
      const upstream = { host: '127.0.0.1', port: await freePort() };
      const limits = { holdMs: 30_000, maxConnections: 1 };
      const twoHeld = await rig(t, createEngine, upstream, { ...limits, maxHeld: 2 });
      twoHeld.dial();
      await until(() => twoHeld.engine.counts().waitingForUpstream === 1);
      twoHeld.dial();
      await until(() => twoHeld.engine.counts().waitingForSlot === 1);
      assert.equal(await ending(twoHeld.dial()), 'ECONNRESET');
      assert.equal((await twoHeld.record(0)).reason, 'too_many');

      // The second client waits for a slot before the upstream has refused the first.
      const oneHeld = await rig(t, createEngine, upstream, { ...limits, maxHeld: 1 });
      for (const client of [oneHeld.dial(), oneHeld.dial()]) void ending(client);
      await until(
        () => oneHeld.engine.counts().total === 2 && oneHeld.engine.counts().waitingForUpstream === 1,
      );
      assert.equal(oneHeld.engine.counts().waitingForSlot, 0);
    });

    test('a client that leaves while it waits for a slot costs nothing', async (t) => {
      const { dial, record, engine } = await rig(t, createEngine, await serve(t, echo), {
        maxConnections: 1,
      });
      const first = dial();
      first.write('1');
      await readBytes(first, 1);
      const second = dial();
      await until(() => engine.counts().waitingForSlot === 1);
      second.end();
      assert.equal((await record(0)).reason, 'client_gone');
      assert.equal(engine.counts().waitingForSlot, 0);
      first.end('2');
      assert.equal((await readAll(first)).toString(), '2');
    });

    test('every connection that a drain cuts is recorded before the drain is over', async (t) => {
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
      const { active, total, waitingForUpstream, waitingForSlot } = engine.counts();
      assert.deepEqual([active, total, waitingForUpstream, waitingForSlot, records.length], [0, 0, 0, 0, 0]);
    });

    test('a port that was announced for a check is good for one connection, from this host only', {
      skip: needs(needsOutside()),
    }, async (t) => {
      const everywhere = { host: '0.0.0.0', port: 0 };
      const policy = { allow: [] };
      const { engine, address } = await rig(t, createEngine, await serve(t, echo), policy, everywhere);
      const localPort = await freePort('0.0.0.0');
      const from = async (host: string): Promise<string> => {
        const socket = connect({ host, port: address.port, localPort, allowHalfOpen: true });
        t.after(() => socket.destroy());
        const how = await ending(socket);
        socket.resetAndDestroy();
        return how;
      };
      engine.expectCheck(localPort, false);
      assert.equal(await from(OUTSIDE), 'ECONNRESET', 'the rig has no address but those of loopback');
      assert.equal(await from('127.0.0.1'), 'FIN');
      assert.equal(await from('127.0.0.1'), 'ECONNRESET');
      assert.equal(engine.counts().total, 2);
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
  (await readUnsentBytes(
    { host: localAddress, port: localPort },
    { host: remoteAddress, port: remotePort },
  )) ?? 0;
const openFiles = (): number => readdirSync('/proc/self/fd').length;
const openSockets = (): readonly number[] =>
  readdirSync('/proc/self/fd')
    .map(Number)
    .filter((fd) => {
      const link = statSync(`/proc/self/fd/${fd}`, { throwIfNoEntry: false });
      return link?.isSocket() ?? false;
    });

interface SocketOptions {
  readonly local: number;
  readonly remote: number;
  readonly nodelay: number;
  readonly keepalive: number;
  readonly idleSeconds: number;
}

/** Node.js has no getsockopt: a child, which gets the sockets as its files 3, 4, ..., calls it. */
const optionsOf = (fds: readonly number[]): readonly SocketOptions[] => {
  const script = `for (3 .. $#ARGV + 3) {
    open my $s, '+<&=', $_ or die;
    my @ports = map { (sockaddr_in $_)[0] } getsockname $s, getpeername $s;
    my @options = ([IPPROTO_TCP, TCP_NODELAY], [SOL_SOCKET, SO_KEEPALIVE], [IPPROTO_TCP, TCP_KEEPIDLE]);
    print join(' ', @ports, map { unpack 'i', getsockopt $s, $_->[0], $_->[1] } @options), "\\n";
  }`;
  const { stdout } = spawnSync('perl', ['-MSocket=:all', '-e', script, ...fds.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit', ...fds],
    encoding: 'utf8',
  });
  return stdout
    .trim()
    .split('\n')
    .map((line) => {
      const [local = 0, remote = 0, nodelay = 0, keepalive = 0, idleSeconds = 0] = line
        .split(' ')
        .map(Number);
      return { local, remote, nodelay, keepalive, idleSeconds };
    });
};

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

/** Settles when the number has grown, and then has not changed over many turns of the event loop. */
const stalled = async (bytes: () => number): Promise<void> => {
  for (let same = 0, before = 0; same < 20_000; before = bytes()) {
    await new Promise((done) => setImmediate(done));
    same = bytes() > 0 && bytes() === before ? same + 1 : 0;
  }
};
