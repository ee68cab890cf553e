import { setTimeout as sleep } from 'node:timers/promises';
import { ownBytes, residentBytes } from '../lib/proc.js';
import { startEcho, startForwarder } from '../lib/processes.js';
import { hold } from '../load/echo-client.js';

export const memory = {
  key: 'memory',
  tools: [],
  rows: [
    { field: 'idle', title: 'memory, idle', unit: 'MB', better: 'less' },
    { field: 'each', title: 'memory, each idle connection', unit: 'bytes', better: 'less' },
  ],
  run: async (context) => {
    const { connections, quietMs } = context.sizes;
    const forwarder = await startForwarder(await startEcho(context), context);
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
