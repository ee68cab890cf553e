import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { ECOSYSTEM, openPm2Sandbox, openUpstream } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { until } from '../support/until.ts';

/** One proxy and the monitor under a real PM2. */
const rig = async (t: TestContext) => {
  const sandbox = openPm2Sandbox();
  const upstream = await openUpstream();
  const port = await freePort();
  const httpPort = await freePort();
  t.after(() => sandbox.close());
  t.after(() => upstream.close());
  sandbox.configure([{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }], {
    http: `127.0.0.1:${httpPort}`,
  });
  await sandbox.pm2('start', ECOSYSTEM);
  /** Makes that many connections, one after the other. */
  const visit = async (times: number): Promise<void> => {
    for (let n = 0; n < times; n += 1) {
      const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
      assert.equal(await answer.text(), 'the upstream');
    }
  };
  const scrape = async (name: string): Promise<number> => {
    const text = await (
      await fetch(`http://127.0.0.1:${httpPort}/metrics`, { headers: { connection: 'close' } })
    ).text();
    return Number(
      new RegExp(`^steadyport_${name}\\{proxy="tcp-proxy-${port}".*\\} (.*)$`, 'm').exec(text)?.[1],
    );
  };
  /** Waits for a value of a metric, which must never decrease. */
  const waitForMetric = async (name: string, expected: number): Promise<void> => {
    let last = Number.NaN;
    await until(async () => {
      const now = await scrape(name);
      assert.ok(!(now < last), `${name} went from ${last} to ${now}`);
      last = now;
      return now === expected;
    }, `${name} is ${expected}`);
  };
  return { sandbox, port, app: `tcp-proxy-${port}`, visit, waitForMetric };
};
const isUp = ({ state }: ProxyStatus): boolean => state === 'up';

test('the counters of a proxy stay exact across its planned restarts and across those of the monitor', async (t) => {
  const { sandbox, port, app, visit, waitForMetric } = await rig(t);
  let pid = (await sandbox.proxyUntil(port, isUp)).pid;
  for (let restarts = 0; restarts < 3; restarts += 1) {
    await visit(7);
    // The restart follows at once: no heartbeat has reported the last connections yet.
    await sandbox.pm2('restart', app);
    const before = pid;
    ({ pid } = await sandbox.proxyUntil(port, (proxy) => isUp(proxy) && proxy.pid !== before));
    await waitForMetric('connections_total', 7 * (restarts + 1));
  }
  await waitForMetric('connections_closed_total', 21);
  await sandbox.pm2('restart', 'proxy-monitor');
  await sandbox.proxyUntil(port, isUp);
  await visit(4);
  await waitForMetric('connections_total', 25);
});
