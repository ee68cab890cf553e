import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type ProxyConfig, parseConfig } from '../../../src/config/config.ts';
import { formatAddress } from '../../../src/lib/address.ts';
import { createPortableEngine } from '../../../src/proxy/portable/engine.ts';
import { startProxy } from '../../../src/proxy/proxy.ts';
import { isProxyReport } from '../../../src/proxy/report.ts';
import { dial, ending, freePort, readAll, serve } from '../../support/proxy/proxy-harness.ts';

interface Line {
  readonly event: string;
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Starts a proxy of the config entry; `line` resolves with the first line of the event. */
const start = async (t: TestContext, entry: Partial<ProxyConfig>) => {
  const upstream = await serve(t, (socket) => socket.end('pong'));
  const port = await freePort();
  const parsed = parseConfig({
    proxies: [{ listen: `127.0.0.1:${port}`, upstream: formatAddress(upstream), ...entry }],
  });
  assert.ok(parsed.ok && parsed.config.proxies[0]);
  const lines: Line[] = [];
  let wake = (): void => {};
  const runningProxy = await startProxy(
    parsed.config.proxies[0],
    createPortableEngine,
    (event, text, fields = {}) => {
      lines.push({ event, text, fields: typeof fields === 'function' ? fields() : fields });
      wake();
    },
    assert.fail,
  );
  t.after(() => runningProxy.drain(0));
  const line = async (event: string): Promise<Line> => {
    for (;;) {
      const found = lines.find(({ event: name }) => name === event);
      if (found) return found;
      await new Promise<void>((done) => {
        wake = done;
      });
    }
  };
  return { address: { host: '127.0.0.1', port }, port, upstream, lines, line, runningProxy };
};

test('a finished connection is one line, with both ends, bytes, durations and the reason', async (t) => {
  const { address, port, upstream, line, lines } = await start(t, {});
  const client = dial(t, address);
  client.end('ping!');
  assert.equal((await readAll(client)).toString(), 'pong');
  const { text, fields } = await line('connection');
  const ends = `127\\.0\\.0\\.1:\\d+ → 127\\.0\\.0\\.1:${upstream.port}`;
  assert.match(
    text,
    new RegExp(
      `^${port}: ${ends} done, 5 B up, 4 B down, hold \\d+ ms, connect \\d+ ms, total \\d+ ms, 0 active$`,
    ),
  );
  const { proxy, reason, haproxy, tries } = fields;
  assert.deepEqual([proxy, reason, haproxy, tries], [`tcp-proxy-${port}`, 'done', '--', 1]);
  assert.deepEqual(
    lines.map(({ event }) => event),
    ['listen', 'engine', 'connection'],
  );
});

test('with logOpen there is a line when a connection opens, too', async (t) => {
  const { address, port, upstream, line } = await start(t, { logOpen: true });
  const client = dial(t, address);
  const { text } = await line('open');
  assert.match(text, new RegExp(`^${port}: 127\\.0\\.0\\.1:\\d+ → 127\\.0\\.0\\.1:${upstream.port} open$`));
  client.end();
  await line('connection');
});

test('a refused client is logged with the very setting that would let it in', async (t) => {
  const { address, line, runningProxy } = await start(t, { allow: ['10.0.0.0/8'] });
  assert.equal(runningProxy.report().lastNotAllowed, null);
  assert.equal(await ending(dial(t, address)), 'ECONNRESET');
  const { text, fields } = await line('connection');
  const hint = /to let it in: "allow": (\[.*\]), /.exec(text)?.[1];
  assert.deepEqual(JSON.parse(hint ?? ''), ['10.0.0.0/8', '127.0.0.1']);
  assert.equal(fields['haproxy'], 'PR');
  const report = runningProxy.report();
  assert.equal(report.connections.byReason.not_allowed, 1);
  assert.equal(report.lastNotAllowed?.host, '127.0.0.1');
  assert.ok(isProxyReport(JSON.parse(JSON.stringify(report))));
});

test('a report names a refused client by its IP address, or is no report of this version', async (t) => {
  const report = (await start(t, {})).runningProxy.report();
  const isReport = (host: string): boolean => isProxyReport({ ...report, lastNotAllowed: { host, at: 1 } });
  for (const host of ['203.0.113.7', '2001:db8::7', 'fe80::7%eth0']) assert.ok(isReport(host), host);
  for (const host of ['', 'host.example', '203.0.113.7\n', '\u001b[31m']) assert.ok(!isReport(host), host);
  const { lastNotAllowed, ...earlier } = report;
  assert.ok(isProxyReport(earlier), 'of an earlier version, which does not say');
});

test('a hold that was in vain is logged with its tries', async (t) => {
  const { address, line } = await start(t, {
    holdMs: 350,
    upstream: `127.0.0.1:${await freePort()}` as never,
  });
  assert.equal(await ending(dial(t, address)), 'ECONNRESET');
  const { text, fields } = await line('connection');
  assert.match(text, /the upstream refused the connection \(ECONNREFUSED\) after [2-9] tries, 0 B up/);
  assert.equal(fields['reason'], 'upstream_refused');
});

test('with an access log, connections are logged only there; refused clients are also in the other log', async (t) => {
  const parsed = parseConfig({
    proxies: [{ listen: `127.0.0.1:${await freePort()}`, upstream: '127.0.0.1:9', holdMs: 0, allow: [] }],
  });
  assert.ok(parsed.ok && parsed.config.proxies[0]);
  const [proxy] = parsed.config.proxies;
  const events: string[] = [];
  const access: string[] = [];
  let wake = (): void => {};
  const runningProxy = await startProxy(
    proxy,
    createPortableEngine,
    (event) => events.push(event),
    assert.fail,
    {
      accessLog: (event) => {
        access.push(event);
        wake();
      },
    },
  );
  t.after(() => runningProxy.drain(0));
  for (let count = 1; count <= 3; count += 1) {
    const logged = new Promise<void>((done) => {
      wake = done;
    });
    dial(t, { host: '127.0.0.1', port: proxy.listen.port }).on('error', () => {});
    await logged;
  }
  assert.deepEqual(access, ['connection', 'connection', 'connection']);
  assert.deepEqual(events, ['listen', 'engine', 'refused']);
});
