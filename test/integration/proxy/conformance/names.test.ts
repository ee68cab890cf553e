import assert from 'node:assert/strict';
import dns from 'node:dns/promises';
import { syncBuiltinESMExports } from 'node:module';
import { describe, type TestContext, test } from 'node:test';
import {
  echo,
  ending,
  forEachEngine,
  freePort,
  readAll,
  serve,
} from '../../../support/proxy/proxy-harness.ts';
import { needs } from '../../../support/requirements.ts';
import { until } from '../../../support/until.ts';

/** What every engine must do while the name of its upstream cannot be resolved, or points to where nobody is. */
forEachEngine((name, rig) =>
  describe(`names of upstreams of the ${name} engine`, () => {
    test('a client is held while the name cannot be resolved', async (t) => {
      const { port } = await serve(t, echo);
      const resolver = await fakeResolver(t);
      const { dial, record, engine } = await rig(t, { host: 'a.name', port }, { holdMs: 60_000 });
      const client = dial();
      client.end('early');
      await until(() => engine.counts().waitingForUpstream === 1 && resolver.lookups > 2);
      resolver.answer = '127.0.0.1';
      assert.equal((await readAll(client)).toString(), 'early');
      assert.equal((await record(0)).reason, 'done');
    });

    test('a client is refused when the name cannot be resolved for the whole hold', async (t) => {
      await fakeResolver(t);
      const { dial, record } = await rig(t, { host: 'a.name', port: 1 }, { holdMs: 300 });
      assert.equal(await ending(dial()), 'ECONNRESET');
      const { reason, code, tries } = await record(0);
      assert.deepEqual([reason, code, tries], ['upstream_not_found', 'ENOTFOUND', 0]);
    });

    test('the last known address serves while lookups fail', async (t) => {
      const { port } = await serve(t, echo);
      const resolver = await fakeResolver(t, '127.0.0.1');
      const { dial } = await rig(t, { host: 'a.name', port });
      const askOnce = async (): Promise<string> => {
        const client = dial();
        client.end('ping');
        return (await readAll(client)).toString();
      };
      assert.equal(await askOnce(), 'ping');
      resolver.answer = undefined;
      const asked = resolver.lookups;
      // A name is looked up again after 5 s, and after a failure sooner.
      for (let n = 0; resolver.lookups < asked + 3; n += 1)
        assert.equal(await askOnce(), 'ping', `client ${n}`);
    });

    test('a client is held while an upstream is created anew: no name, no way there, then a new address', {
      skip: needs(process.platform === 'linux' ? undefined : 'needs Linux'),
    }, async (t) => {
      const port = await freePort();
      const resolver = await fakeResolver(t, NO_WAY_THERE);
      const { dial, record, engine } = await rig(t, { host: 'a.name', port }, { holdMs: 60_000 });
      const failures = (code: string): number => engine.counts().connectFailures[code] ?? 0;
      const client = dial();
      client.end('early');
      await until(() => failures('ENETUNREACH') >= 2);
      resolver.answer = undefined;
      await until(() => resolver.failures > 0);
      resolver.answer = '127.0.0.1';
      await until(() => failures('ECONNREFUSED') > 0);
      await serve(t, echo, { port });
      assert.equal((await readAll(client)).toString(), 'early');
      assert.equal((await record(0)).reason, 'done');
    });
  }),
);

/** A connect to it fails with ENETUNREACH (tcp_v4_connect of Linux refuses broadcast routes). */
const NO_WAY_THERE = '255.255.255.255';

/** Answers all lookups of this process with one address, or with ENOTFOUND. */
const fakeResolver = async (t: TestContext, answer?: string) => {
  const resolver = { answer, lookups: 0, failures: 0 };
  t.mock.method(dns, 'lookup', async () => {
    resolver.lookups += 1;
    if (resolver.answer !== undefined) return [{ address: resolver.answer, family: 4 }];
    resolver.failures += 1;
    throw Object.assign(new Error('getaddrinfo ENOTFOUND a.name'), { code: 'ENOTFOUND' });
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  return resolver;
};
