import { median } from '../lib/median.js';
import { startEcho, startForwarder } from '../lib/processes.js';
import { compareRoundTrips } from '../load/echo-client.js';

export const latency = {
  key: 'latency',
  tools: [],
  rows: [{ field: 'added', title: 'added latency, one byte there and back', unit: 'µs', better: 'less' }],
  run: async (context) => {
    const upstream = await startEcho(context);
    const forwarder = await startForwarder(upstream, context);
    const { turns, roundTrips: count } = context.sizes;
    const times = await compareRoundTrips([upstream.port, forwarder.port], { turns, count });
    const [direct, forwarded] = times.map(median);
    return { added: (forwarded - direct) * 1_000 };
  },
};
