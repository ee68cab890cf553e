import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type * as Channels from '../../src/alerting/channels/registry.ts';
import type * as Secrets from '../../src/config/secrets.ts';
import { createHealth, type Incident } from '../../src/health/state.ts';
import type * as Metrics from '../../src/metrics/prometheus.ts';
import type { ProxyMetrics } from '../../src/metrics/sample.ts';
import type * as Probes from '../../src/monitor/probes/run-probe.ts';
import { createStatsCollector } from '../../src/proxy/connection-stats.ts';
import { flood, message, notification } from '../support/alerting/notification-samples.ts';
import { snapshotOf } from '../support/health/status-samples.ts';
import { tempFolder } from '../support/temp-dir.ts';

/** These tests apply the examples of docs/extending.md to a copy of the project, and use what they add. */
interface Example {
  readonly path: string;
  /** The whole file, or the lines of a diff; each line ends with a line break. */
  readonly text: string;
  readonly isDiff: boolean;
}

const EXAMPLES: readonly Example[] = [
  ...readFileSync('docs/extending.md', 'utf8').matchAll(
    /^```(ts|diff)\n(?:\/\/|\+\+\+) (src\/\S+)\n(.*?)^```$/gms,
  ),
].map(([, language, path = '', text = '']) => ({ path, text, isDiff: language === 'diff' }));

const COPIED = ['src', 'scripts', 'package.json', 'tsconfig.json', 'biome.json', 'biome.floors.json'];
const PROJECT = ['ecosystem.config.js', 'steadyport.json', '.gitignore'];

/** Copies the project into an empty folder, with these examples in it. */
const copyProject = (folder: string, examples: readonly Example[]): void => {
  for (const name of [...COPIED, ...PROJECT]) cpSync(name, join(folder, name), { recursive: true });
  symlinkSync(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'));
  for (const { path, text, isDiff } of examples) {
    const file = join(folder, path);
    assert.equal(
      existsSync(file),
      isDiff,
      `${path}: a diff is for a file that exists, and other blocks are for new files`,
    );
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, isDiff ? insert(readFileSync(file, 'utf8'), text, path) : text);
  }
};

/** Inserts each line with "+" after the line before it. @throws when the source does not have that line exactly once */
const insert = (source: string, diff: string, path: string): string => {
  const lines = source.split('\n');
  let at = 0;
  for (const line of diff.split('\n').slice(0, -1)) {
    if (line.startsWith('+')) lines.splice(at++, 0, line.slice(1));
    else {
      const found = lines.flatMap((candidate, index) => (candidate === line.slice(1) ? [index] : []));
      assert.equal(found.length, 1, `${path} has the line of the example once: ${line}`);
      at = (found[0] ?? 0) + 1;
    }
  }
  return lines.join('\n');
};

/** Runs a program in a copy. @returns its exit code, and what it wrote */
const run = (folder: string, program: string, ...args: readonly string[]) =>
  new Promise<{ readonly code: number | string; readonly output: string }>((done) =>
    execFile(program, args, { cwd: folder, maxBuffer: 1e8 }, (error, stdout, stderr) =>
      done({ code: error?.code ?? 0, output: stdout + stderr }),
    ),
  );
const runTool = (folder: string, name: string, ...args: readonly string[]) =>
  run(folder, join(process.cwd(), 'node_modules', '.bin', name), ...args);
const steadyport = (...args: readonly string[]) => run(copy, process.execPath, 'dist/cli.js', ...args);

let copy = '';
/** Imports a module of the copy. @param path as in the checkout, such as "src/health/state.ts" */
const importFrom = <Module>(path: string): Promise<Module> =>
  import(pathToFileURL(join(copy, path.replace('src/', 'compiled/').replace(/\.ts$/, '.js'))).href);

before(async () => {
  copy = mkdtempSync(join(tmpdir(), 'sp-'));
  copyProject(copy, EXAMPLES);
  await run(copy, 'git', 'init', '--quiet');
  const results = await Promise.all([
    runTool(copy, 'tsc', '-p', '.', '--outDir', 'compiled'),
    runTool(copy, 'biome', 'ci', '--colors=off', '--error-on-warnings', 'src'),
    run(copy, process.execPath, 'scripts/build.js'),
  ]);
  for (const { code, output } of results) assert.equal(code, 0, output);
  cpSync(join(copy, 'src/package.json'), join(copy, 'compiled/package.json'));
});
after(() => rmSync(copy, { recursive: true, force: true }));

const listen = async (t: { after(done: () => void): void }, server: Server): Promise<number> => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
};

test('without its other half no kind compiles, and the registry is named', async () => {
  const folder = tempFolder();
  copyProject(
    folder,
    EXAMPLES.filter(({ path }) => path.startsWith('src/kinds/')),
  );
  const { code, output } = await runTool(folder, 'tsc', '-p', '.', '--noEmit');
  assert.notEqual(code, 0);
  assert.match(output, /^src\/monitor\/probes\/registry\.ts.*memcached/m);
  assert.match(output, /^src\/alerting\/channels\/registry\.ts.*rocketchat/m);
});

test('check-config accepts the new probe and the new channel', async () => {
  const folder = tempFolder();
  const proxies = [{ listen: '127.0.0.1:11212', upstream: 'localhost:11211', probe: { type: 'memcached' } }];
  writeFileSync(join(folder, 'steadyport.json'), JSON.stringify({ proxies }));
  writeFileSync(join(folder, '.env'), 'ROCKETCHAT_WEBHOOK_URL=http://localhost/hooks/1\n', { mode: 0o600 });
  const { code, output } = await steadyport('check-config', join(folder, 'steadyport.json'));
  assert.equal(code, 0, output);
  assert.match(output, /tcp-proxy-11212 .*127\.0\.0\.1:11212 → localhost:11211/);
  assert.match(output, /^ {2}alerts: rocketchat$/m);
});

for (const { answer, problem } of [
  { answer: 'VERSION 1.6.18\r\n', problem: undefined },
  { answer: 'ERROR\r\n', problem: 'the answer is "ERROR\\r\\n", expected "VERSION …"' },
])
  test(`the new probe ${problem ? 'fails' : 'passes'} with ${JSON.stringify(answer)}`, async (t) => {
    const server = createTcpServer((socket) =>
      socket.once('data', (chunk) => socket.end(chunk.toString() === 'version\r\n' ? answer : '')),
    );
    const address = { host: '127.0.0.1', port: await listen(t, server) };
    const { runProbe } = await importFrom<typeof Probes>('src/monitor/probes/run-probe.ts');
    // This project's types do not know the kind; the copy's do.
    const probe = { type: 'memcached', tls: false } as unknown as Parameters<typeof runProbe>[2];
    const result = await runProbe(address, address, probe, 60_000);
    const error = result.ok ? undefined : result.error;
    assert.equal(error, problem && `version of 127.0.0.1:${address.port}: ${problem}`);
  });

/** What the new channel sends. */
interface Body {
  readonly text: string;
  readonly attachments: readonly { readonly color: string; readonly title: string; readonly text: string }[];
}

test('the new channel sends a message, and a flood of them, to its receiver', async (t) => {
  const bodies: Body[] = [];
  const server = createServer(async (request, response) => {
    bodies.push(JSON.parse(Buffer.concat(await request.toArray()).toString()));
    response.end('ok');
  });
  const url = `http://127.0.0.1:${await listen(t, server)}/hooks/1`;
  const { parseSecrets } = await importFrom<typeof Secrets>('src/config/secrets.ts');
  const { createChannels } = await importFrom<typeof Channels>('src/alerting/channels/registry.ts');
  const [channel] = createChannels(parseSecrets({ ROCKETCHAT_WEBHOOK_URL: url }).secrets).eventChannels;
  const delivery = await channel?.send(
    message(notification({ label: 'my_app', summary: '@all' })),
    AbortSignal.timeout(60_000),
  );
  assert.deepEqual(delivery, { ok: true });
  assert.deepEqual(await channel?.send(flood, AbortSignal.timeout(60_000)), { ok: true });
  const [first, flooded] = bodies;
  assert.equal(first?.text, 'steadyport m-1');
  assert.deepEqual(first?.attachments, [
    {
      color: '#d02f2f',
      title: '🚨 Down on devbox: my\\_app (tcp-proxy-6274)',
      text: [
        '\\@all',
        '*Since:* 2026-11-27 04:04:06 UTC',
        '*Why:* connection refused',
        '*Done:* Nothing: a restart would not help.',
        '*To do:* Start the application.',
      ].join('\n'),
    },
  ]);
  const parts = flooded?.attachments.flatMap(({ title, text }) => [title, text]) ?? [];
  assert.ok([flooded?.text, ...parts].join('').length <= 5_000);
  assert.match(flooded?.text ?? '', /^… and \d+ more: tcp-proxy-2\d{4}, /);
});

test('the new metric is in a scrape', async () => {
  const { createMetrics } = await importFrom<typeof Metrics>('src/metrics/prometheus.ts');
  const health = createHealth(0);
  const sample: ProxyMetrics = {
    proxy: 'tcp-proxy-7000',
    health,
    totals: {
      ...createStatsCollector().read(),
      total: 0,
      bytesToUpstream: 0,
      bytesToClient: 0,
      connectFailures: {},
      cpuMs: 0,
    },
    checkErrors: 0,
    connections: null,
    processStartedAt: null,
    resources: null,
    probe: { type: 'listen', isOk: null, durationMs: null, lastOkAt: null },
  };
  const incident = { startedAt: 5_000 } as Incident;
  const failing = { ...sample, proxy: 'tcp-proxy-7001', health: { ...health, incident } };
  const text: string = await createMetrics().render(snapshotOf(), [sample, failing]);
  const lines = text.split('\n').filter((line) => line.startsWith('steadyport_incident_start'));
  assert.deepEqual(lines, ['steadyport_incident_start_timestamp_seconds{proxy="tcp-proxy-7001"} 5']);
});

test('the new command runs, and --help lists it', async () => {
  assert.deepEqual(await steadyport('ports'), { code: 0, output: '6274\n6277\n' });
  assert.match((await steadyport('--help')).output, /^ {2}ports\n {6}the ports of the config, one a line$/m);
  const { code, output } = await steadyport('ports', '--jsno');
  assert.equal(code, 2);
  assert.match(output, /unknown option "--jsno" of "ports"/);
});
