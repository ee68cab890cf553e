import { runTool } from '../lib/children.js';
import { loaded, start, startForwarder } from '../lib/processes.js';
import { pathOf } from '../lib/tools.js';

/** Measures bulk transfer from the client to the upstream by `count` streams. */
export const streams = (count) => ({
  key: `stream${count}`,
  tools: ['iperf3'],
  rows: [
    { field: 'cpu', title: `CPU, ${nameOf(count)}`, unit: 's/GB', better: 'less' },
    { field: 'machine', title: `CPU of all, ${nameOf(count)}`, unit: 's/GB', better: 'less' },
    { field: 'throughput', title: `throughput, ${nameOf(count)}`, unit: 'MB/s', better: 'more' },
  ],
  run: async (context) => {
    const upstream = await start((port) => [pathOf('iperf3'), ...iperfServer(port)], context);
    const forwarder = await startForwarder(upstream, context);
    const { bytes, seconds, cpu, machine } = await loaded(forwarder, context.sizes, (share) =>
      transfer(forwarder.port, count, context.sizes.bytes * share),
    );
    return { cpu: cpu / (bytes / 1e9), machine: machine / (bytes / 1e9), throughput: bytes / 1e6 / seconds };
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
