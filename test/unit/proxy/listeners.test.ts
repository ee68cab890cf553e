import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type ProxyConfig, parseConfig } from '../../../src/config/config.ts';
import type { Address } from '../../../src/lib/address.ts';
import type { Engine } from '../../../src/proxy/engine.ts';
import { createListeners } from '../../../src/proxy/listeners.ts';
import { startProxy } from '../../../src/proxy/proxy.ts';

const parseProxy = (): ProxyConfig => {
  const parsed = parseConfig({ proxies: [{ listen: '127.0.0.1:6274', upstream: '127.0.0.1:9' }] });
  assert.ok(parsed.ok && parsed.config.proxies[0]);
  return parsed.config.proxies[0];
};

/** An engine each of whose listens is pending until the test settles it. */
const createFakeEngine = () => {
  const listens: { succeed(): void; fail(code: string): void }[] = [];
  const engine = {
    name: 'portable',
    listen: (address: Address) =>
      new Promise<Address>((resolve, reject) => {
        listens.push({
          succeed: () => resolve(address),
          fail: (code) => reject(Object.assign(new Error(code), { code })),
        });
      }),
    unlisten: async () => {},
    setLocalAddresses: () => {},
    drain: async () => {},
  } as unknown as Engine;
  return { engine, listens };
};

test('an address is not bound twice at a time, however the calls overlap', async () => {
  const { engine, listens } = createFakeEngine();
  const listeners = createListeners(parseProxy(), engine, () => {});
  const calls = [listeners.rebind(), listeners.relisten(), listeners.rebind()];
  await turn();
  assert.equal(listens.length, 1);
  listens[0]?.succeed();
  await calls[0];
  await turn();
  assert.equal(listens.length, 2, 'relisten opens the socket anew');
  listens[1]?.succeed();
  await Promise.all(calls);
  assert.equal(listens.length, 2, 'the last rebind finds the address bound');
  assert.deepEqual(
    listeners.list().map(({ state }) => state),
    ['bound'],
  );
});

test('an address that is closed when the listeners are stopped is not bound again', async () => {
  const { engine, listens } = createFakeEngine();
  let closed = (): void => {};
  const unlisten = () =>
    new Promise<void>((resolve) => {
      closed = resolve;
    });
  const listeners = createListeners(parseProxy(), { ...engine, unlisten }, assert.fail);
  const binding = listeners.rebind();
  await turn();
  listeners.stop();
  closed();
  await binding;
  assert.deepEqual([listens.length, listeners.list()], [0, []]);
});

test('a rebind that takes longer than its interval is followed by one rebind, an interval later', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { engine, listens } = createFakeEngine();
  const starting = startProxy(
    parseProxy(),
    async () => engine,
    () => {},
    assert.fail,
  );
  await turn();
  listens[0]?.fail('EADDRNOTAVAIL');
  const proxy = await starting;
  t.after(() => proxy.drain(0));
  for (let interval = 1; interval <= 3; interval += 1) {
    t.mock.timers.tick(2_000);
    await turn();
    assert.equal(listens.length, 2, `after ${interval} intervals`);
  }
  listens[1]?.fail('EADDRNOTAVAIL');
  await turn();
  assert.equal(listens.length, 2);
  t.mock.timers.tick(2_000);
  await turn();
  assert.equal(listens.length, 3);
});
