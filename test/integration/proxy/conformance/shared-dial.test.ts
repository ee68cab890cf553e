import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { echo, forEachEngine, freePort, readBytes, serve } from '../../../support/proxy/proxy-harness.ts';
import { until } from '../../../support/until.ts';

const CLIENTS = 200;

forEachEngine((name, rig) =>
  test(`clients that wait for the same upstream share one dial of the ${name} engine, and are served together`, async (t) => {
    const upstream = { host: '127.0.0.1', port: await freePort() };
    const limits = { holdMs: 60_000, maxHeld: CLIENTS };
    const { dial, engine, record } = await rig(t, upstream, limits);
    const clients = Array.from({ length: CLIENTS }, () => dial());
    for (const client of clients) client.write('x');
    const failures = (): number => engine.counts().connectFailures['ECONNREFUSED'] ?? 0;
    await until(() => engine.counts().waitingForUpstream === CLIENTS && failures() >= CLIENTS + 6);
    await serve(t, echo, upstream);
    await Promise.all(clients.map((client) => readBytes(client, 1)));
    assert.ok(failures() < CLIENTS * 1.5, `${failures()} failed dials for ${CLIENTS} clients`);
    for (const client of clients) client.end();
    await record(CLIENTS - 1);
    assert.equal(engine.counts().waitingForUpstream, 0);
  }),
);

forEachEngine((name, rig) =>
  test(`a client that leaves while it dials for all does not keep the others of the ${name} engine waiting`, async (t) => {
    const upstream = { host: '127.0.0.1', port: await freePort() };
    const { dial, engine, record } = await rig(t, upstream, { holdMs: 60_000 });
    const closingClients = dial();
    const staying = dial();
    await Promise.all([once(closingClients, 'connect'), once(staying, 'connect')]);
    await until(() => engine.counts().waitingForUpstream === 2);
    closingClients.resetAndDestroy();
    assert.equal((await record(0)).reason, 'client_reset');
    await serve(t, echo, upstream);
    staying.write('y');
    assert.equal(String(await readBytes(staying, 1)), 'y');
  }),
);
