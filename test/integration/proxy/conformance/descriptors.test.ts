import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import {
  fileDescriptorOf,
  MAX_DESCRIPTORS,
  sendDescriptors,
} from '../../../support/proxy/passed-descriptors.ts';
import {
  dial,
  ending,
  forEachEngine,
  readAll,
  readBytes,
  serve,
} from '../../../support/proxy/proxy-harness.ts';
import { trackOpenFiles } from '../../../support/proxy-observation.ts';
import { needs } from '../../../support/requirements.ts';
import { tempFolder } from '../../../support/temp-dir.ts';
import { until } from '../../../support/until.ts';

const file = () => ({ host: join(tempFolder(), 'a.sock'), port: 0 });

const LIMIT = { timeout: 60_000 };

/** A socket whose descriptor the test passes on. @returns it, and a promise for the end that its peer sees */
const passable = async (t: TestContext) => {
  const accepted = new EventEmitter<{ socket: [Socket] }>();
  const ours = dial(t, await serve(t, (socket) => accepted.emit('socket', socket)));
  const [theirs] = await once(accepted, 'socket');
  return { socket: ours, closed: ending(theirs as Socket) };
};

/** What every engine must do with the file descriptors that come with the bytes of a unix socket (unix(7), SCM_RIGHTS). */
forEachEngine((name, rig) =>
  describe(`passed descriptors through the ${name} engine`, {
    skip: needs(process.platform === 'linux' ? undefined : 'needs Linux'),
  }, () => {
    /** A connection that is a unix socket on the side that sends, and TCP on the other. */
    const connect = async (t: TestContext, sends: 'client' | 'upstream') => {
      const accepted = new EventEmitter<{ socket: [Socket] }>();
      const [listen, upstreamAddress] = sends === 'client' ? [file(), {}] : [undefined, file()];
      const served = await serve(t, (socket) => accepted.emit('socket', socket), upstreamAddress);
      const { dial, record } = await rig(t, served, { allow: listen ? [] : ['loopback'] }, listen);
      const openFiles = trackOpenFiles();
      const client = dial();
      const [upstream] = (await once(accepted, 'socket')) as [Socket];
      const [from, to] = sends === 'client' ? [client, upstream] : [upstream, client];
      return { from, to, record, openFiles };
    };

    for (const [who, sends] of [
      ['a client', 'client'],
      ['an upstream', 'upstream'],
    ] as const) {
      test(`the bytes of ${who} that stays arrive without them`, LIMIT, async (t) => {
        const { from, to } = await connect(t, sends);
        const { socket, closed } = await passable(t);
        assert.ok(sendDescriptors(from, Buffer.alloc(10, 'a'), [fileDescriptorOf(socket)]));
        from.write(Buffer.alloc(30, 'b'));
        assert.equal((await readBytes(to, 40)).toString(), 'a'.repeat(10) + 'b'.repeat(30));
        socket.destroy();
        assert.equal(await closed, 'FIN', 'the engine has closed its copy');
      });

      for (const [how, leave] of [
        ['half-closes', (socket: Socket) => socket.end()],
        ['leaves', (socket: Socket) => socket.destroy()],
      ] as const)
        test(`all bytes of ${who} that ${how} arrive before the end`, LIMIT, async (t) => {
          const { socket, closed } = await passable(t);
          const { from, to, record, openFiles } = await connect(t, sends);
          const fds = Array<number>(MAX_DESCRIPTORS).fill(fileDescriptorOf(socket));
          const sent = Array.from({ length: 3 }, () => randomBytes(10));
          for (const bytes of sent) assert.ok(sendDescriptors(from, bytes, fds));
          const rest = randomBytes(30);
          from.write(rest, () => leave(from));
          assert.deepEqual(await readAll(to), Buffer.concat([...sent, rest]));
          socket.destroy();
          assert.equal(await closed, 'FIN');
          to.end();
          from.resume();
          assert.equal((await record(0)).reason, 'done');
          await until(() => openFiles().length === 0, 'no file is left open');
        });

      test(`a stream of ${who} with descriptors in it arrives whole`, LIMIT, async (t) => {
        const { from, to, record } = await connect(t, sends);
        const { socket, closed } = await passable(t);
        const received = readAll(to);
        const sent: Buffer[] = [];
        for (let n = 0; n < 10; n += 1) {
          const [bulk, bytes] = [randomBytes(300_000), randomBytes(1_000)];
          await new Promise((done) => from.write(bulk, done));
          await until(() => sendDescriptors(from, bytes, [fileDescriptorOf(socket)]), 'room for a message');
          sent.push(bulk, bytes);
        }
        from.end();
        assert.deepEqual(await received, Buffer.concat(sent));
        socket.destroy();
        assert.equal(await closed, 'FIN');
        to.end();
        from.resume();
        assert.equal((await record(0)).reason, 'done');
      });
    }
  }),
);
