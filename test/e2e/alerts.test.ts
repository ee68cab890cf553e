import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { until } from '../support/child-process.ts';
import { answer, openReceiver } from '../support/http-receiver.ts';
import { ECOSYSTEM, openStation, openUpstream } from '../support/pm2-sandbox.ts';
import { freePort } from '../support/proxy-harness.ts';

interface Told {
  readonly id: string;
  readonly alerts: readonly {
    readonly status: string;
    readonly labels: { readonly proxy: string };
    readonly annotations: { readonly kind: string; readonly cause: string; readonly why?: string };
  }[];
}

const isUp = ({ state }: ProxyStatus): boolean => state === 'up';

test('an upstream that goes away and comes back is told once each, also over a kill -9 of the monitor', async (t) => {
  const [station, receiver, port, page] = [
    openStation(),
    await openReceiver(answer(200)),
    await freePort(),
    await freePort(),
  ];
  t.after(() => station.close());
  const upstream = await openUpstream();
  t.after(() => upstream.close());
  const proxy = { listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` };
  station.configure([proxy], { http: `127.0.0.1:${page}` }, { groupWaitMs: 500 });
  writeFileSync(join(station.folder, '.env'), `WEBHOOK_URL=${receiver.url}/secret\n`, { mode: 0o600 });
  const { code, stderr } = await station.pm2('start', ECOSYSTEM);
  assert.equal(code, 0, stderr);
  await station.proxyUntil(port, isUp);

  await upstream.close();
  await receiver.got(1);
  const { monitor } = await station.status();
  assert.ok(monitor);
  process.kill(monitor.pid, 'SIGKILL');
  await station.proxyUntil(port, ({ state }) => state === 'down');
  const back = await openUpstream(upstream.port);
  t.after(() => back.close());
  // One that was killed before it had written that the first was taken says it again.
  const told = (): readonly Told[] => [
    ...new Map(receiver.received.map(({ json }) => [(json as Told).id, json as Told])).values(),
  ];
  await until(() => told().length === 2, 'the second message');
  const scrape = async (): Promise<string> => {
    const answered = await fetch(`http://127.0.0.1:${page}/metrics`, { headers: { connection: 'close' } });
    return answered.text();
  };
  const sent = /^steadyport_notifications_total\{channel="webhook",outcome="sent"\} 2$/m;
  await until(async () => sent.test(await scrape()), 'the count of two messages');

  const inShort = told().flatMap(({ alerts }) =>
    alerts.map(({ status, labels, annotations }) => [
      labels.proxy,
      annotations.kind,
      status,
      annotations.cause,
    ]),
  );
  assert.deepEqual(inShort, [
    [`tcp-proxy-${port}`, 'down', 'firing', 'upstream_down'],
    [`tcp-proxy-${port}`, 'recovered', 'resolved', 'upstream_down'],
  ]);
  assert.match(told()[0]?.alerts[0]?.annotations.why ?? '', /nothing listens on/);
  const after = (await station.status()).monitor;
  assert.deepEqual(after?.alerts.channels, [{ name: 'webhook', waiting: 0, problem: null }]);
});

test('a monitor that leaves has done with its alerts before another has its place', {
  timeout: 120_000,
}, async (t) => {
  // The other one sends it too.
  let firstOne: ServerResponse | undefined;
  const receiver = await openReceiver((response) => {
    firstOne ??= response;
  });
  const station = openStation();
  t.after(() => station.close());
  station.configure(
    [{ listen: `127.0.0.1:${await freePort()}`, upstream: '127.0.0.1:9' }],
    {},
    { groupWaitMs: 0 },
  );
  writeFileSync(join(station.folder, '.env'), `WEBHOOK_URL=${receiver.url}\n`, { mode: 0o600 });
  const monitor = (): ChildProcess => {
    const child = spawn(process.execPath, ['dist/cli.js', 'monitor'], { env: station.env });
    t.after(() => child.kill('SIGKILL'));
    return child;
  };
  const first = monitor();
  const left = once(first, 'exit');
  await receiver.got(1);
  assert.equal(firstOne?.destroyed, false);
  for await (const line of createInterface({ input: monitor().stdout ?? assert.fail() })) {
    if (line.includes('Another monitor answers')) first.kill('SIGTERM');
    if (line.includes('Monitoring ')) break;
  }
  // What had come before the line is heard of by now.
  await turn();
  await turn();
  assert.equal(firstOne.destroyed, true);
  assert.deepEqual(await left, [0, null]);
});
