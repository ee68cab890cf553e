// What is measured of each forwarder: each measure starts an upstream and the forwarder, loads it, and
// returns its figures. Who calls it stops what was started.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { compareRoundTrips, hold, waitForByte } from './echo-client.js';
import { nginxCommand } from './forwarders.js';
import { median } from './median.js';
import { cpuSeconds, freePort, launch, ownBytes, residentBytes, runTool, waitForPort } from './system.js';
import { pathOf } from './tools.js';

/**
 * `warmUp` is the share of the load that comes before the one that counts: by then code is compiled and
 * buffers have grown.
 * `settleMs` is for what is left to do after a load: connections close, socat's children are reaped.
 */
export const SIZES = {
  full: {
    warmUp: 0.2,
    settleMs: 300,
    bytes: 2e9,
    seconds: 4,
    turns: 10,
    roundTrips: 500,
    connections: 3_500,
    quietMs: 2_000,
  },
  quick: {
    warmUp: 0,
    settleMs: 50,
    bytes: 1e8,
    seconds: 1,
    turns: 2,
    roundTrips: 200,
    connections: 100,
    quietMs: 200,
  },
};

const WRK_CONNECTIONS = 64;

const streams = (count) => ({
  key: `stream${count}`,
  tools: ['iperf3'],
  rows: [
    { field: 'cpu', title: `CPU, ${nameOf(count)}`, unit: 's/GB', better: 'less' },
    { field: 'throughput', title: `throughput, ${nameOf(count)}`, unit: 'MB/s', better: 'more' },
  ],
  run: async (place) => {
    const upstream = await start((port) => [pathOf('iperf3'), ...iperfServer(port)], place);
    const forwarder = await startForwarder(upstream, place);
    const { bytes, seconds, cpu } = await loaded(forwarder, place.sizes, (share) =>
      transfer(forwarder.port, count, place.sizes.bytes * share),
    );
    return { cpu: cpu / (bytes / 1e9), throughput: bytes / 1e6 / seconds };
  },
});

const nameOf = (count) => (count === 1 ? '1 stream' : `${count} streams`);
const iperfServer = (port) => ['--server', '--bind', '127.0.0.1', '--port', `${port}`];

const transfer = async (port, count, bytes) => {
  const client = ['--client', '127.0.0.1', '--port', `${port}`];
  const load = ['--parallel', `${count}`, '--bytes', `${Math.round(bytes)}`, '--json'];
  const { error, end } = JSON.parse(await runTool([pathOf('iperf3'), ...client, ...load]));
  if (error) throw new Error(`iperf3: ${error}`);
  return end.sum_received;
};

const http = ({ key, one, many, header, rows }) => ({
  key,
  tools: ['wrk', 'nginx'],
  rows: [
    { field: 'rate', title: many, unit: '1/s', better: 'more' },
    ...rows,
    { field: 'p99', title: `99th percentile, ${one}`, unit: 'ms', better: 'less' },
    { field: 'cpu', title: `CPU, 1,000 ${many}`, unit: 'ms', better: 'less' },
    { field: 'errors', title: `errors, ${many}`, unit: 'sum', better: 'less', isErrors: true },
  ],
  run: async (place) => {
    const upstream = await start((port) => nginxCommand('upstream.conf', httpConfig(port), place), place);
    const forwarder = await startForwarder(upstream, place);
    const { requests, seconds, p50Us, p99Us, errors, cpu } = await loaded(forwarder, place.sizes, (share) =>
      wrk(forwarder.port, place.sizes.seconds * share, header),
    );
    return {
      rate: requests / seconds,
      p50: p50Us / 1_000,
      p99: p99Us / 1_000,
      cpu: (cpu * 1_000) / (requests / 1_000),
      errors: Object.values(errors).reduce((sum, one) => sum + one, 0),
      errorText: `wrk: ${JSON.stringify(errors)}`,
    };
  },
});

/** In its own folder: others may not write to Debian's. */
const NGINX_TEMP_PATHS = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  .map((name) => `  ${name}_temp_path ${name};`)
  .join('\n');

const httpConfig = (port) => `
worker_processes 1;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
${NGINX_TEMP_PATHS}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / { return 200 "ok"; }
  }
}
`;

/** wrk takes whole seconds. */
const wrk = async (port, seconds, header) => {
  const report = ['--script', fileOf('upstream/wrk-report.lua'), ...(header ? ['--header', header] : [])];
  const load = ['--threads', '1', '--connections', `${WRK_CONNECTIONS}`];
  const duration = ['--duration', `${Math.max(1, Math.round(seconds))}s`];
  const args = [...load, ...duration, ...report, `http://127.0.0.1:${port}/`];
  const result = JSON.parse((await runTool([pathOf('wrk'), ...args])).trim().split('\n').at(-1));
  if (result.requests === 0) throw new Error(`wrk: no answer; errors: ${JSON.stringify(result.errors)}`);
  return result;
};

const latency = {
  key: 'latency',
  tools: [],
  rows: [{ field: 'added', title: 'added latency, one byte there and back', unit: 'µs', better: 'less' }],
  run: async (place) => {
    const upstream = await startEcho(place);
    const forwarder = await startForwarder(upstream, place);
    const { turns, roundTrips: count } = place.sizes;
    const times = await compareRoundTrips([upstream.port, forwarder.port], { turns, count });
    const [direct, forwarded] = times.map(median);
    return { added: (forwarded - direct) * 1_000 };
  },
};

const memory = {
  key: 'memory',
  tools: [],
  rows: [
    { field: 'idle', title: 'memory, idle', unit: 'MB', better: 'less' },
    { field: 'each', title: 'memory, each idle connection', unit: 'bytes', better: 'less' },
  ],
  run: async (place) => {
    const { connections, quietMs } = place.sizes;
    const forwarder = await startForwarder(await startEcho(place), place);
    await sleep(quietMs);
    const idle = residentBytes(forwarder);
    const before = ownBytes(forwarder);
    const held = await hold(forwarder.port, connections);
    await sleep(quietMs);
    const each = (ownBytes(forwarder) - before) / connections;
    const lost = held.lost();
    held.release();
    if (lost > 0) throw new Error(`${lost} of ${connections} idle connections were closed`);
    return { idle: idle / 1e6, each };
  },
};

const startup = {
  key: 'startup',
  tools: [],
  rows: [{ field: 'ms', title: 'from start to the first byte served', unit: 'ms', better: 'less' }],
  run: async (place) => {
    const forwarder = await launchForwarder(await startEcho(place), place);
    return { ms: (await waitForByte(forwarder)) - forwarder.spawnedAt };
  },
};

export const MEASURES = [
  streams(1),
  streams(8),
  http({
    key: 'requests',
    one: 'request',
    many: 'requests',
    rows: [{ field: 'p50', title: 'median, request', unit: 'ms', better: 'less' }],
  }),
  http({
    key: 'connections',
    one: 'new connection',
    many: 'new connections',
    header: 'Connection: close',
    rows: [],
  }),
  latency,
  memory,
  startup,
];

/** Warms the forwarder up, then loads it: what that gave, and the CPU seconds that it took. */
const loaded = async (forwarder, { warmUp, settleMs }, load) => {
  if (warmUp > 0) await load(warmUp);
  await sleep(settleMs);
  const before = cpuSeconds(forwarder);
  const result = await load(1);
  await sleep(settleMs);
  return { ...result, cpu: cpuSeconds(forwarder) - before };
};

const fileOf = (path) => fileURLToPath(new URL(path, import.meta.url));

const start = async (commandFor, { folder }) => {
  const port = await freePort();
  const server = launch(commandFor(port), { folder, listen: port });
  await waitForPort(server);
  return server;
};

const startEcho = (place) =>
  start((port) => [process.execPath, fileOf('upstream/echo.js'), `${port}`], place);

const launchForwarder = async (upstream, { forwarder, folder }) => {
  const place = { folder, listen: await freePort(), upstream: upstream.port };
  return launch(forwarder.command(place), place);
};

const startForwarder = async (upstream, place) => {
  const forwarder = await launchForwarder(upstream, place);
  await waitForPort(forwarder);
  return forwarder;
};
