import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { answer, openReceiver } from '../support/alerting/http-receiver.ts';
import { ECOSYSTEM, openPm2Sandbox, openUpstream } from '../support/pm2/pm2-sandbox.ts';
import { openBlackboxExporter, openObservatory } from '../support/programs/prometheus.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { needs, needsOutside, needsProgram, OUTSIDE } from '../support/requirements.ts';
import { until } from '../support/until.ts';

const skip = needs(
  needsProgram('prometheus', 'prometheus'),
  needsProgram('prometheus-alertmanager', 'prometheus-alertmanager'),
);

/** Two proxies and the monitor under a real PM2, and a Prometheus that discovers the monitor over HTTP. */
const rig = async (t: TestContext) => {
  const sandbox = openPm2Sandbox();
  const upstream = await openUpstream();
  const port = await freePort();
  const closed = await freePort();
  const httpPort = await freePort();
  t.after(() => sandbox.close());
  let close = upstream.close;
  t.after(() => close());
  const application = `127.0.0.1:${upstream.port}`;
  sandbox.configure(
    [
      { listen: `127.0.0.1:${port}`, upstream: application, holdMs: 0, probe: { type: 'http' } },
      // It serves no client and is up all the same.
      { listen: `127.0.0.1:${closed}`, upstream: application, allow: [], optional: true },
    ],
    { http: `127.0.0.1:${httpPort}`, probeIntervalMs: 300, probeTimeoutMs: 200 },
    { afterMs: 0, groupWaitMs: 300 },
  );
  // The metrics of notifications exist only when there is a channel.
  const receiver = await openReceiver(answer(200));
  writeFileSync(join(sandbox.folder, '.env'), `WEBHOOK_URL=${receiver.url}\n`, { mode: 0o600 });
  await sandbox.pm2('start', ECOSYSTEM);
  const observatory = await openObservatory(`  - job_name: steadyport
    http_sd_configs: [{url: 'http://127.0.0.1:${httpPort}/api/v1/targets/monitor', refresh_interval: 1s}]
`);
  t.after(() => observatory.close());
  const has = (expr: string) => until(async () => (await observatory.query(expr)).length > 0, expr);
  const proxy = `tcp-proxy-${port}`;
  await has(`steadyport_up{proxy="${proxy}"} == 1`);
  return {
    sandbox,
    observatory,
    has,
    port,
    proxy,
    closed,
    /** Connects once. @returns whether the client was served */
    visit: (at = port) =>
      fetch(`http://127.0.0.1:${at}/`, { headers: { connection: 'close' } }).then(
        () => true,
        () => false,
      ),
    stopUpstream: () => upstream.close(),
    startUpstream: async () => {
      ({ close } = await openUpstream(upstream.port));
    },
  };
};

/** Each test has a PM2 of its own, and waits most of the time. */
describe('with the real Prometheus', { concurrency: true }, () => {
  test('Prometheus reports through Alertmanager that an upstream is down, and that it is back', {
    skip,
  }, async (t) => {
    const { observatory, proxy, stopUpstream, startUpstream } = await rig(t);
    assert.equal((await observatory.notified('SteadyportWatchdog', 'firing')).labels['severity'], 'none');
    await stopUpstream();
    const { labels, annotations } = await observatory.notified('SteadyportUpstreamDown', 'firing');
    assert.deepEqual([labels['proxy'], labels['severity'], labels['job']], [proxy, 'critical', 'steadyport']);
    assert.match(annotations['description'] ?? '', /What to do: start or look at the application/);
    await startUpstream();
    assert.equal((await observatory.notified('SteadyportUpstreamDown', 'resolved')).labels['proxy'], proxy);
  });

  test('each query of the dashboard gives data', { skip }, async (t) => {
    const { sandbox, observatory, has, port, closed, proxy, visit, stopUpstream, startUpstream } =
      await rig(t);
    // Each metric needs data: a restart with its recovery, a served client and a refused one.
    const { pid } = await sandbox.proxyUntil(port, ({ state }) => state === 'up');
    process.kill(Number(pid), 'SIGKILL');
    await sandbox.proxyUntil(port, (now) => now.state === 'up' && now.pid !== pid);
    assert.ok(!(await visit(closed)));
    // A rate is between two scrapes.
    for (const clients of [1, 2]) {
      assert.ok(await visit());
      await has(`steadyport_connections_closed_total{proxy="${proxy}",reason="done"} == ${clients}`);
    }
    await stopUpstream();
    assert.ok(!(await visit()));
    await observatory.notified('SteadyportUpstreamDown', 'firing');
    await has(`steadyport_upstream_connect_failures_total{proxy="${proxy}"} > 0`);
    await startUpstream();
    await has(`steadyport_up{proxy="${proxy}"} == 1`);

    const dashboard = readFileSync('observability/grafana-dashboard.json', 'utf8');
    const queries = [...dashboard.matchAll(/"expr": ("(?:[^"\\]|\\.)*")/g)].map(
      ([, text = '']) => JSON.parse(text) as string,
    );
    assert.ok(queries.length > 30);
    const hasData = async (query: string): Promise<void> => {
      const expr = query.replaceAll('$proxy', '.*').replaceAll('$__rate_interval', '2m');
      assert.doesNotMatch(expr, /\$/);
      // A graph shows past alerts too.
      await has(expr.startsWith('ALERTS') ? `last_over_time((${expr})[2m:1s])` : expr);
    };
    await Promise.all(queries.map(hasData));
    const variable = /label_values\((\w+), (\w+)\)/.exec(dashboard);
    assert.deepEqual(await observatory.api(`label/${variable?.[2]}/values?match[]=${variable?.[1]}`), [
      ...[proxy, `tcp-proxy-${closed}`].sort(),
    ]);
  });

  test('by the example config, blackbox_exporter connects to each port as other machines do', {
    skip:
      skip ||
      needs(needsProgram('prometheus-blackbox-exporter', 'prometheus-blackbox-exporter'), needsOutside()),
  }, async (t) => {
    const sandbox = openPm2Sandbox();
    const exporter = await openBlackboxExporter();
    t.after(() => sandbox.close());
    t.after(() => exporter.close());
    const port = await freePort();
    const inside = await freePort();
    const httpPort = await freePort();
    sandbox.configure(
      [`${OUTSIDE}:${port}`, `127.0.0.1:${inside}`].map((listen) => ({
        listen,
        upstream: '127.0.0.1:9',
        optional: true,
      })),
      { http: `127.0.0.1:${httpPort}` },
    );
    assert.equal((await sandbox.steadyport('start')).code, 0);
    const example = readFileSync('observability/prometheus.yml', 'utf8');
    const observatory = await openObservatory(
      example
        .slice(example.indexOf('  # - job_name: steadyport-ports'))
        .replace(/^ {2}# /gm, '  ')
        .replace(/targets\/ports$/m, '$&\n        refresh_interval: 1s')
        .replaceAll('127.0.0.1:6270', `127.0.0.1:${httpPort}`)
        .replaceAll('127.0.0.1:9115', exporter.address),
    );
    t.after(() => observatory.close());
    const has = (expr: string) => until(async () => (await observatory.query(expr)).length > 0, expr);
    const target = `job="steadyport-ports",instance="${OUTSIDE}:${port}",proxy="tcp-proxy-${port}"`;
    await has(`probe_success{${target}} == 1`);
    await sandbox.pm2('stop', `tcp-proxy-${port}`);
    await has(`probe_success{${target}} == 0`);
    assert.equal(
      (await observatory.query('probe_success')).length,
      1,
      'other machines cannot reach loopback',
    );
  });
});
