import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { ECOSYSTEM, openStation, openUpstream } from '../support/pm2-sandbox.ts';
import { freePort } from '../support/proxy-harness.ts';

/** One proxy and the monitor, by a real PM2. */
const rig = async (t: TestContext) => {
  const [station, upstream, port, page] = [
    openStation(),
    await openUpstream(),
    await freePort(),
    await freePort(),
  ];
  t.after(() => station.close());
  t.after(() => upstream.close());
  station.configure([{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }], {
    http: `127.0.0.1:${page}`,
  });
  const { code, stderr } = await station.pm2('start', ECOSYSTEM);
  assert.equal(code, 0, stderr);
  /** One connection each. */
  const visit = async (times: number): Promise<void> => {
    for (let n = 0; n < times; n += 1) {
      const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
      assert.equal(await answer.text(), 'the upstream');
    }
  };
  const scrape = async (name: string): Promise<number> => {
    const text = await (
      await fetch(`http://127.0.0.1:${page}/metrics`, { headers: { connection: 'close' } })
    ).text();
    return Number(
      new RegExp(`^steadyport_${name}\\{proxy="tcp-proxy-${port}".*\\} (.*)$`, 'm').exec(text)?.[1],
    );
  };
  const until = async (name: string, wanted: number): Promise<void> => {
    let last = Number.NaN;
    for (const giveUpAt = Date.now() + 60_000; Date.now() < giveUpAt; ) {
      const now = await scrape(name);
      assert.ok(!(now < last), `${name} went from ${last} to ${now}`);
      if (now === wanted) return;
      last = now;
    }
    assert.fail(`${name} is ${last}, not ${wanted}`);
  };
  return { station, port, app: `tcp-proxy-${port}`, visit, until };
};
const isUp = ({ state }: ProxyStatus): boolean => state === 'up';

test('the counts of a proxy go on over its planned restarts, exactly, and over those of the monitor', async (t) => {
  const { station, port, app, visit, until } = await rig(t);
  let pid = (await station.proxyUntil(port, isUp)).pid;
  for (let restarts = 0; restarts < 3; restarts += 1) {
    await visit(7);
    // At once: no heartbeat has told of the last ones yet.
    await station.pm2('restart', app);
    const before = pid;
    ({ pid } = await station.proxyUntil(port, (proxy) => isUp(proxy) && proxy.pid !== before));
    await until('connections_total', 7 * (restarts + 1));
  }
  await until('connections_closed_total', 21);
  await station.pm2('restart', 'proxy-monitor');
  await station.proxyUntil(port, isUp);
  await visit(4);
  await until('connections_total', 25);
});
