import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { echo, forEachEngine, readBytes, serve } from '../../../support/proxy/proxy-harness.ts';

const TIMEOUT_MS = 200;

/** Keeps this process from its event loop, as a machine does that has no time for it. */
const holdUp = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
};

/** What has happened in time counts, though the process had no time to look until the time-out was over. */
forEachEngine((name, rig) =>
  describe(`a process that is held up, with the ${name} engine`, () => {
    test('serves a client whose upstream has accepted meanwhile', async (t) => {
      const limits = { connectTimeoutMs: TIMEOUT_MS };
      const { dial, engine, record } = await rig(t, await serve(t, echo), limits);
      const client = dial();
      while (engine.counts().active === 0) await new Promise((done) => setImmediate(done));
      holdUp(2 * TIMEOUT_MS);
      client.end('x');
      assert.equal((await readBytes(client, 1)).toString(), 'x');
      assert.equal((await record(0)).reason, 'done');
    });

    // The kernel engine's thread is not held up: for it, nothing is sent until the upstream's process goes on.
    if (name !== 'portable') return;
    test('keeps a connection on which something was sent meanwhile', async (t) => {
      const limits = { idleTimeoutMs: 10 * TIMEOUT_MS };
      const { dial, record } = await rig(t, await serve(t, echo), limits);
      const client = dial();
      client.write('x');
      await readBytes(client, 1);
      client.write('y');
      holdUp(11 * TIMEOUT_MS);
      assert.equal((await readBytes(client, 1)).toString(), 'y');
      client.end();
      assert.equal((await record(0)).reason, 'done');
    });
  }),
);
