import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { ECOSYSTEM, openPm2Sandbox, openUpstream } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { needs, needsPeer, peerPath } from '../support/requirements.ts';
import { until } from '../support/until.ts';

interface Listed {
  readonly name: string;
  readonly pid: number;
  readonly pm2_env: {
    readonly axm_monitor?: Readonly<Record<string, { readonly value: unknown }>>;
    readonly axm_actions?: readonly { readonly action_name: string }[];
    readonly axm_options?: object;
  };
}

const rig = async (t: TestContext, pm2Bin?: string) => {
  const sandbox = openPm2Sandbox({}, pm2Bin);
  const upstream = await openUpstream();
  const port = await freePort();
  t.after(() => sandbox.close());
  t.after(() => upstream.close());
  sandbox.configure([
    { listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}`, probe: { type: 'tcp' } },
  ]);
  await sandbox.pm2('start', ECOSYSTEM);
  const { pid } = await sandbox.proxyUntil(port, ({ state }) => state === 'up');
  return { sandbox, port, pid };
};

const VERSIONS = [
  ['7', undefined, false],
  ['6', peerPath('pm2-6', 'bin/pm2'), needs(needsPeer('pm2-6'))],
] as const;

/** Each test has a PM2 of its own, and waits most of the time. */
describe("PM2's metrics and actions", { concurrency: true }, () => {
  for (const [version, pm2Bin, skip] of VERSIONS)
    test(`PM2 ${version} shows the metrics of a port, and runs its actions`, { skip }, async (t) => {
      const { sandbox, port, pid } = await rig(t, pm2Bin);
      const list = async (): Promise<readonly Listed[]> => JSON.parse((await sandbox.pm2('jlist')).stdout);
      const shown = await until(async () => {
        const { pm2_env } = (await list()).find(({ name }) => name === 'proxy-monitor') ?? {};
        return pm2_env?.axm_monitor?.[`${port} state`]?.value === 'up' ? pm2_env : undefined;
      }, 'the metrics in the list');
      assert.deepEqual(
        Object.keys(shown.axm_monitor ?? {}).sort(),
        [`${port} connections`, `${port} failures`, `${port} probe ms`, `${port} state`],
        'and nothing else',
      );
      const names = shown.axm_actions?.map(({ action_name }) => action_name);
      assert.deepEqual(names, ['status', 'check-now', 'restart', 'silence']);
      const proxy = (await list()).find(({ name }) => name === `tcp-proxy-${port}`);
      assert.deepEqual(Object.keys(proxy?.pm2_env.axm_monitor ?? {}), []);
      assert.match(
        (await sandbox.pm2('describe', 'proxy-monitor')).stdout,
        new RegExp(`${port} state +│ up`),
      );

      const trigger = async (...action: string[]): Promise<string | undefined> =>
        /^\[proxy-monitor:\d+:steadyport\]="(.*)"$/m.exec(await sandbox.trigger(...action))?.[1];
      assert.equal(await trigger('status'), `${hostname()}: The port is up.`);
      assert.equal(await trigger('check-now'), `${hostname()}: The port is up.`);
      assert.equal(await trigger('silence', '10'), 'no alerts are set up');
      assert.equal(
        await trigger('silence', 'long'),
        String.raw`silence needs whole minutes, 0 to 1440; got \"long\"`,
      );
      assert.equal(await trigger('restart'), `restart needs a port: ${port}; got nothing`);
      assert.equal(await trigger('restart', '1'), String.raw`restart needs a port: ${port}; got \"1\"`);
      assert.equal(await trigger('restart', `${port}`), `${port} was restarted`);
      const now = await sandbox.proxyUntil(port, (proxy) => proxy.state === 'up' && proxy.pid !== pid);
      assert.deepEqual(now.restarts, { crash: 0, forced: 0 }, 'it is the operator’s');
      await sandbox.pm2('stop', `tcp-proxy-${port}`);
      assert.equal(
        await trigger('restart', `${port}`),
        `${port} was not restarted: it was stopped meanwhile`,
      );
    });

  test('the monitor outlives a PM2 daemon that is killed, while it has metrics to send', async (t) => {
    const { sandbox, port, pid } = await rig(t);
    const before = (await sandbox.ask())?.monitor;
    assert.ok(before);
    const daemon = Number(readFileSync(join(sandbox.folder, 'pm2/pm2.pid'), 'utf8'));
    process.kill(daemon, 'SIGKILL');
    try {
      const killedAt = Date.now();
      // @pm2/io sends changed metrics every 990 ms. The failures are a change.
      process.kill(Number(pid), 'SIGKILL');
      await sandbox.proxyUntil(port, ({ state }) => state === 'down');
      const after = await until(async () => {
        const { monitor } = (await sandbox.ask()) ?? {};
        return (monitor?.lastCheckAt ?? 0) > killedAt + 3_000 ? monitor : undefined;
      }, 'three checks of @pm2/io later');
      assert.equal(after?.pid, before?.pid);
      assert.match(after?.pm2Problem ?? '', /not running/);
    } finally {
      // The apps have outlived their daemon: nothing else ends them.
      assert.equal((await sandbox.steadyport('stop')).code, 0);
    }
  });
});
