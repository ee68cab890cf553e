// Measures the memory of one proxy that a real PM2 starts, with its control socket and its log.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROJECT, pm2 } from '../chaos/sandbox/pm2-sandbox.js';
import { openPm2Sandbox } from '../lib/pm2-sandbox.js';
import { freePort } from '../lib/ports.js';
import { residentBytesOf } from '../lib/proc.js';
import { startEcho } from '../lib/processes.js';
import { waitForByte } from '../load/echo-client.js';

export const underPm2 = {
  key: 'pm2',
  tools: [],
  isFor: ({ role }) => role === 'own',
  rows: [{ field: 'idle', title: 'memory, idle, under PM2', unit: 'MB', isUncompared: true }],
  run: async (context) => {
    const upstream = await startEcho(context);
    const pm2Sandbox = openPm2Sandbox(context.folder);
    const port = await freePort();
    const app = `tcp-proxy-${port}`;
    configure(pm2Sandbox, { listen: port, upstream: upstream.port, engine: context.forwarder.key });
    await pm2(pm2Sandbox, 'start', PROJECT, '--only', app);
    await waitForByte({ port });
    await sleep(context.sizes.quietMs);
    const pid = readFileSync(join(pm2Sandbox.env.STEADYPORT_HOME, 'ports', `${port}`, 'pid'), 'utf8').trim();
    return { idle: residentBytesOf(pid) / 1e6 };
  },
};

const configure = ({ env }, { listen, upstream, engine }) => {
  const proxy = { listen: `127.0.0.1:${listen}`, upstream: `127.0.0.1:${upstream}`, engine };
  writeFileSync(env.STEADYPORT_CONFIG, JSON.stringify({ proxies: [proxy] }));
};
