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
import { answer, openReceiver } from '../support/alerting/http-receiver.ts';
import { ECOSYSTEM, openPm2Sandbox, openUpstream } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { until } from '../support/until.ts';

interface WebhookMessage {
  readonly id: string;
  readonly alerts: readonly {
    readonly status: string;
    readonly labels: { readonly proxy: string };
    readonly annotations: { readonly kind: string; readonly cause: string; readonly why?: string };
  }[];
}

const isUp = ({ state }: ProxyStatus): boolean => state === 'up';

test('the end and the return of an upstream are notified once each, also across a kill -9 of the monitor', async (t) => {
  const sandbox = openPm2Sandbox();
  const receiver = await openReceiver(answer(200));
  const port = await freePort();
  const httpPort = await freePort();
  t.after(() => sandbox.close());
  const upstream = await openUpstream();
  t.after(() => upstream.close());
  const proxy = { listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` };
  sandbox.configure([proxy], { http: `127.0.0.1:${httpPort}` }, { afterMs: 0, groupWaitMs: 500 });
  writeFileSync(join(sandbox.folder, '.env'), `WEBHOOK_URL=${receiver.url}/secret\n`, { mode: 0o600 });
  await sandbox.pm2('start', ECOSYSTEM);
  await sandbox.proxyUntil(port, isUp);

  await upstream.close();
  await receiver.got(1);
  const { monitor } = (await sandbox.ask()) ?? {};
  assert.ok(monitor);
  process.kill(monitor.pid, 'SIGKILL');
  await sandbox.proxyUntil(port, ({ state }) => state === 'down');
  const back = await openUpstream(upstream.port);
  t.after(() => back.close());
  // A monitor that was killed before it stored the delivery of the first message sends it again.
  const messages = (): readonly WebhookMessage[] => [
    ...new Map(
      receiver.received.map(({ json }) => [(json as WebhookMessage).id, json as WebhookMessage]),
    ).values(),
  ];
  await until(() => messages().length === 2, 'the second message');
  const scrape = async (): Promise<string> => {
    const answered = await fetch(`http://127.0.0.1:${httpPort}/metrics`, {
      headers: { connection: 'close' },
    });
    return answered.text();
  };
  const sent = /^steadyport_notifications_total\{channel="webhook",outcome="sent"\} 2$/m;
  await until(async () => sent.test(await scrape()), 'the count of two messages');

  const summaries = messages().flatMap(({ alerts }) =>
    alerts.map(({ status, labels, annotations }) => [
      labels.proxy,
      annotations.kind,
      status,
      annotations.cause,
    ]),
  );
  assert.deepEqual(summaries, [
    [`tcp-proxy-${port}`, 'down', 'firing', 'upstream_down'],
    [`tcp-proxy-${port}`, 'recovered', 'resolved', 'upstream_down'],
  ]);
  assert.match(messages()[0]?.alerts[0]?.annotations.why ?? '', /nothing listens on/);
  const after = (await sandbox.ask())?.monitor;
  assert.deepEqual(after?.alerts.channels, [{ name: 'webhook', waiting: 0, problem: null }]);
});

test('a monitor that exits has stopped sending alerts before another one takes over', {
  timeout: 120_000,
}, async (t) => {
  // The second monitor sends the alert too.
  let firstResponse: ServerResponse | undefined;
  const receiver = await openReceiver((response) => {
    firstResponse ??= response;
  });
  const monitors: ChildProcess[] = [];
  const sandbox = openPm2Sandbox();
  t.after(async () => {
    for (const child of monitors) child.kill('SIGKILL');
    await sandbox.close();
  });
  sandbox.configure(
    [{ listen: `127.0.0.1:${await freePort()}`, upstream: '127.0.0.1:9' }],
    {},
    { afterMs: 0, groupWaitMs: 0 },
  );
  writeFileSync(join(sandbox.folder, '.env'), `WEBHOOK_URL=${receiver.url}\n`, { mode: 0o600 });
  const monitor = (): ChildProcess => {
    const child = spawn(process.execPath, ['dist/cli.js', 'monitor'], { env: sandbox.env });
    monitors.push(child);
    return child;
  };
  const first = monitor();
  const exit = once(first, 'exit');
  await receiver.got(1);
  assert.equal(firstResponse?.destroyed, false);
  for await (const line of createInterface({ input: monitor().stdout ?? assert.fail() })) {
    if (line.includes('Another monitor answers')) first.kill('SIGTERM');
    if (line.includes('Monitoring ')) break;
  }
  // Events that happened before the line was written are delivered within two turns.
  await turn();
  await turn();
  assert.equal(firstResponse.destroyed, true);
  assert.deepEqual(await exit, [0, null]);
});
