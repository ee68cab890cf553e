// Measures the latency of many small connections beside one that takes all the bandwidth it can get.
import { setTimeout as sleep } from 'node:timers/promises';
import { launchWorker } from '../lib/children.js';
import { startForwarder, startProgram } from '../lib/processes.js';

const small = new URL('../load/small.js', import.meta.url);
const bulk = new URL('../load/bulk.js', import.meta.url);

const row = (field, title) => ({ field, title, unit: 'ms', better: 'less' });

export const fairness = {
  key: 'fairness',
  tools: [],
  isFor: ({ role }) => role === 'own' || role === 'peer',
  rows: [
    row('p50', 'median, small requests'),
    row('p99', '99th percentile, small requests'),
    row('p50Beside', 'median, small requests beside bulk'),
    row('p99Beside', '99th percentile, small requests beside bulk'),
    { field: 'bulk', title: 'throughput of the bulk beside them', unit: 'MB/s', better: 'more' },
  ],
  run: async (context) => {
    const { sizes } = context;
    const forwarder = await startForwarder(await startProgram('upstream/echo-or-sink.js', context), context);
    const smallClients = launchWorker(small);
    const bulkClient = launchWorker(bulk);
    await smallClients.call('open', { port: forwarder.port, count: sizes.small.count });
    const { seconds, everyMs } = sizes.small;
    const load = { seconds, everyMs };
    if (sizes.warmUp > 0) await smallClients.call('run', { ...load, seconds: 1 });
    const alone = await smallClients.call('run', load);
    await bulkClient.call('start', { port: forwarder.port });
    await sleep(sizes.settleMs);
    const [beside, megabytes] = await Promise.all([
      smallClients.call('run', load),
      bulkClient.call('count', load),
    ]);
    return {
      p50: alone.p50,
      p99: alone.p99,
      p50Beside: beside.p50,
      p99Beside: beside.p99,
      bulk: megabytes / seconds,
    };
  },
};
