import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { forEachEngine, readAll, readBytes, serve } from '../../../support/proxy/proxy-harness.ts';
import { stalled, trackOpenFiles } from '../../../support/proxy-observation.ts';
import { needs } from '../../../support/requirements.ts';
import { until } from '../../../support/until.ts';

const skip = needs(process.platform === 'linux' ? undefined : 'needs /proc');
const CLIENTS = 30;

/** An upstream that writes without end until its client is gone. */
const stream = async (t: TestContext) =>
  serve(t, (socket) => {
    const next = (): void => {
      while (!socket.destroyed && socket.write(Buffer.alloc(65_536)));
    };
    socket.on('drain', next).resume();
    next();
  });

/** Every engine closes all files of a connection, however it ends. */
forEachEngine((name, rig) =>
  describe(`the open files of the ${name} engine`, { skip }, () => {
    test('are closed when a client that has sent nothing leaves in the middle of a stream', async (t) => {
      const { dial, record } = await rig(t, await stream(t));
      const openFiles = trackOpenFiles();
      const clients = Array.from({ length: CLIENTS }, () => dial());
      await Promise.all(clients.map((client) => readBytes(client, 100_000)));
      for (const client of clients) client.destroy();
      for (let n = 0; n < CLIENTS; n += 1) assert.equal((await record(n)).reason, 'client_reset');
      await until(() => openFiles().length === 0);
    });

    test('are closed when readers that were stalled leave, half-closed or not', async (t) => {
      const { dial, record, engine } = await rig(t, await stream(t));
      const openFiles = trackOpenFiles();
      const clients = Array.from({ length: CLIENTS }, () => dial().pause());
      await stalled(() => engine.counts().bytesToClient);
      for (const [n, client] of clients.entries()) {
        if (n % 3 === 0) client.end();
        if (n % 3 === 1) client.resetAndDestroy();
        else client.destroy();
      }
      for (let n = 0; n < CLIENTS; n += 1) await record(n);
      await until(() => openFiles().length === 0);
    });

    test('are closed when a side ends and is reset at once', async (t) => {
      const far: Socket[] = [];
      const upstream = await serve(t, (socket) => far.push(socket));
      const { dial, record } = await rig(t, upstream);
      const openFiles = trackOpenFiles();
      const clients = Array.from({ length: CLIENTS }, () => dial());
      await until(() => far.length === CLIENTS);
      for (const [n, client] of clients.entries()) {
        const [first, second] = n % 2 === 0 ? [client, far[n]] : [far[n], client];
        first?.end('the end');
        second?.resetAndDestroy();
        first?.once('finish', () => first.resetAndDestroy());
      }
      for (let n = 0; n < CLIENTS; n += 1) await record(n);
      await until(() => openFiles().length === 0);
    });

    test('are closed when a drain cuts what has half-closed', async (t) => {
      const far: Socket[] = [];
      const upstream = await serve(t, (socket) => far.push(socket));
      const { dial, engine, record } = await rig(t, upstream);
      const openFiles = trackOpenFiles();
      const clients = Array.from({ length: CLIENTS }, () => dial().end('the end'));
      await until(() => far.length === CLIENTS);
      await Promise.all(far.map((socket) => readAll(socket)));
      const gone = clients.map((client) => new Promise((done) => client.resume().once('close', done)));
      await engine.drain(0);
      for (let n = 0; n < CLIENTS; n += 1) assert.equal((await record(n)).reason, 'drained');
      await Promise.all(gone);
      for (const socket of far) socket.destroy();
      await until(() => openFiles().every((file) => !file.includes('socket')));
    });
  }),
);
