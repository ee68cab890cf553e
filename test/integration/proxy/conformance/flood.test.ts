import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import type { Address } from '../../../../src/lib/address.ts';
import { startChild } from '../../../support/child-process.ts';
import {
  dial,
  echo,
  ending,
  forEachEngine,
  readAll,
  readBytes,
  serve,
} from '../../../support/proxy/proxy-harness.ts';

/** Fifty clients at a time that connect and leave, without a pause. A line says that the thousandth has connected. */
const FLOOD = `const { connect } = require('node:net');
let connected = 0;
const next = () => {
  const socket = connect(Number(process.argv[1]), '127.0.0.1');
  socket.on('error', () => {}).on('close', next).on('connect', () => {
    connected += 1;
    if (connected === 1_000) console.log('flooded');
    socket.resetAndDestroy();
  });
};
for (let n = 0; n < 50; n += 1) next();`;

const flood = async (t: TestContext, { port }: Address): Promise<void> => {
  const child = startChild(t, process.execPath, ['-e', FLOOD, String(port)]);
  assert.ok(child.stdout);
  await once(child.stdout, 'data');
};

const roundTrip = async (client: Socket): Promise<void> => {
  client.write('x');
  assert.equal((await readBytes(client, 1)).toString(), 'x');
};

const ROUND_TRIPS = 7;

/** What every engine must do with open connections while clients keep coming. */
forEachEngine((name, rig) =>
  describe(`a flood of clients at the ${name} engine`, () => {
    test('a drain lets open connections move bytes, and ends with them', async (t) => {
      const { dial: open, engine, address } = await rig(t, await serve(t, echo));
      const client = open();
      await roundTrip(client);
      await flood(t, address);
      const events: string[] = [];
      const drained = engine.drain(60_000).then(() => events.push('drained'));
      for (let n = 0; n < ROUND_TRIPS; n += 1) await roundTrip(client);
      events.push('last round trip');
      client.end();
      await drained;
      assert.deepEqual(events, ['last round trip', 'drained']);
      assert.equal(await ending(dial(t, address)), 'ECONNREFUSED');
    });

    test('a drain ends at its limit', async (t) => {
      const { dial, engine, address, records } = await rig(t, await serve(t, echo));
      const client = dial();
      await roundTrip(client);
      await flood(t, address);
      const { localPort } = client;
      const ended = ending(client);
      await engine.drain(100);
      assert.equal(await ended, 'ECONNRESET');
      const { reason } = records.find((record) => record.client.port === localPort) ?? {};
      assert.equal(reason, 'drained');
    });

    test('an address that listens anew serves clients again, and open connections go on', async (t) => {
      const { dial, engine, address } = await rig(t, await serve(t, echo));
      const client = dial();
      await roundTrip(client);
      await flood(t, address);
      const listening = engine.unlisten(address).then(() => engine.listen(address));
      for (let n = 0; n < ROUND_TRIPS; n += 1) await roundTrip(client);
      assert.deepEqual(await listening, address);
      await roundTrip(client);
      const late = dial();
      late.end('late');
      assert.equal((await readAll(late)).toString(), 'late');
    });

    // Node.js closes a listener together with its queue: clients that were not accepted are reset (ADR-0058).
    if (name === 'kernel')
      test('clients that had connected before the listener closed are served', async (t) => {
        const { dial, engine, address } = await rig(t, await serve(t, echo));
        const clients = Array.from({ length: 200 }, dial);
        await Promise.all(clients.map((client) => once(client, 'connect')));
        await engine.unlisten(address);
        await Promise.all(clients.map(roundTrip));
      });
  }),
);
