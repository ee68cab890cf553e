import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ECOSYSTEM, openStation, openUpstream } from '../support/pm2-sandbox.ts';
import { until } from '../support/prometheus.ts';
import { freePort } from '../support/proxy-harness.ts';
import { needs, needsPeer, peerPath } from '../support/requirements.ts';

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
  const [station, upstream, port] = [openStation({}, pm2Bin), await openUpstream(), await freePort()];
  t.after(() => station.close());
  t.after(() => upstream.close());
  station.configure([
    { listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}`, probe: { type: 'tcp' } },
  ]);
  const { code, stderr } = await station.pm2('start', ECOSYSTEM);
  assert.equal(code, 0, stderr);
  const { pid } = await station.proxyUntil(port, ({ state }) => state === 'up');
  return { station, port, pid };
};

const VERSIONS = [
  ['7', undefined, false],
  ['6', peerPath('pm2-6', 'bin/pm2'), needs(needsPeer('pm2-6'))],
] as const;

for (const [version, pm2Bin, skip] of VERSIONS)
  test(`PM2 ${version} shows the figures of a port, and takes orders for it`, { skip }, async (t) => {
    const { station, port, pid } = await rig(t, pm2Bin);
    const list = async (): Promise<readonly Listed[]> => JSON.parse((await station.pm2('jlist')).stdout);
    const shown = await until('the figures in the list', async () => {
      const { pm2_env } = (await list()).find(({ name }) => name === 'proxy-monitor') ?? {};
      return pm2_env?.axm_monitor?.[`${port} state`]?.value === 'up' ? pm2_env : undefined;
    });
    assert.deepEqual(
      Object.keys(shown.axm_monitor ?? {}).sort(),
      [`${port} connections`, `${port} failures`, `${port} probe ms`, `${port} state`],
      'and nothing else',
    );
    const names = shown.axm_actions?.map(({ action_name }) => action_name);
    assert.deepEqual(names, ['status', 'check-now', 'restart', 'silence']);
    const proxy = (await list()).find(({ name }) => name === `tcp-proxy-${port}`);
    assert.deepEqual(Object.keys(proxy?.pm2_env.axm_monitor ?? {}), []);
    assert.match((await station.pm2('describe', 'proxy-monitor')).stdout, new RegExp(`${port} state +│ up`));

    const ask = async (...order: string[]): Promise<string | undefined> =>
      /^\[proxy-monitor:\d+:default\]="(.*)"$/m.exec(
        (await station.pm2('trigger', 'proxy-monitor', ...order)).stdout,
      )?.[1];
    assert.equal(await ask('status'), 'The port is up.');
    assert.equal(await ask('check-now'), 'The port is up.');
    assert.equal(await ask('silence', '10'), 'no alerts are set up');
    assert.equal(
      await ask('silence', 'long'),
      String.raw`silence needs whole minutes, 0 to 1440; got \"long\"`,
    );
    assert.equal(await ask('restart'), `restart needs a port: ${port}; got nothing`);
    assert.equal(await ask('restart', '1'), String.raw`restart needs a port: ${port}; got \"1\"`);
    assert.equal(await ask('restart', `${port}`), `${port} was restarted`);
    const now = await station.proxyUntil(port, (one) => one.state === 'up' && one.pid !== pid);
    assert.deepEqual(now.restarts, { crash: 0, forced: 0 }, 'it is the operator’s');
    await station.pm2('stop', `tcp-proxy-${port}`);
    assert.equal(await ask('restart', `${port}`), `${port} was not restarted: it was stopped meanwhile`);
  });

test('the monitor outlives a PM2 daemon that is killed, while it has figures to tell', async (t) => {
  const { station, port, pid } = await rig(t);
  const before = (await station.status()).monitor;
  const daemon = Number(readFileSync(join(station.folder, 'pm2/pm2.pid'), 'utf8'));
  process.kill(daemon, 'SIGKILL');
  try {
    const killedMs = Date.now();
    // @pm2/io looks for news each 990 ms: the failures are news.
    process.kill(Number(pid), 'SIGKILL');
    await station.proxyUntil(port, ({ state }) => state === 'down');
    const after = await until('three looks of @pm2/io later', async () => {
      const { monitor } = await station.status();
      return (monitor?.lastCheckAt ?? 0) > killedMs + 3_000 ? monitor : undefined;
    });
    assert.equal(after?.pid, before?.pid);
    assert.match(after?.pm2Problem ?? '', /not running/);
  } finally {
    // They have outlived their daemon: nothing else ends them.
    assert.equal((await station.steadyport('stop')).code, 0);
  }
});
