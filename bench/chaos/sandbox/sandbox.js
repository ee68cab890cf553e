// The environment of the faults: a PM2 sandbox with running proxies, their upstreams, and the clients.
import { setTimeout as sleep } from 'node:timers/promises';
import { startWorker } from '../../lib/ipc-worker.js';
import { takeBaseline } from '../leftovers.js';
import { openBlackHole } from './packet-drop.js';
import { configure, freePort, openPm2Sandbox, startApps } from './pm2-sandbox.js';
import { isAllUp, statusUntil } from './status.js';

const START_LIMIT_MS = 60_000;
/** After the start, connections of PM2's command line and first probes would falsify the counts. */
const SETTLE_MS = 12_000;

export const SANDBOXES = {
  usual: {
    /** Eight, so that rounds on one port are far apart: five crashes within two minutes are a crash loop. */
    count: 8,
    /** High, since many rounds on few ports must not open the circuit breaker. */
    monitor: { maxRestarts: 1_000 },
  },
  /** The circuit breaker of a port opens, and lets one restart through, within one round. */
  impatient: { count: 3, monitor: { maxRestarts: 3, restartCooldownMs: 4_000 } },
  /** `files` limits the open files of the daemon and of everything that it starts. */
  narrow: { count: 3, monitor: {}, files: 512 },
};

/** @param name a key of {@link SANDBOXES} */
export const openSandbox = async (name) => {
  const { count, monitor, files } = SANDBOXES[name];
  const pm2Sandbox = openPm2Sandbox(files === undefined ? [] : ['prlimit', `--nofile=${files}:${files}`]);
  const upstream = workerOf('upstream.js');
  const clients = workerOf('clients.js');
  const squatter = workerOf('port-squatter.js');
  const workers = [upstream, clients, squatter];
  const end = () => {
    for (const worker of workers) worker.end();
  };
  process.on('exit', end);
  const blackHole = name === 'usual' ? openBlackHole() : undefined;
  const application = async (worker, host) => {
    const port = await freePort();
    await worker.call('open', { port, host });
    return port;
  };
  const proxies = [];
  while (proxies.length < count)
    proxies.push(
      describe(
        await freePort(),
        '127.0.0.1',
        await application(upstream, '127.0.0.1'),
        proxies.length % 2 === 0,
        proxies.length % 4 < 2 ? 'kernel' : 'portable',
      ),
    );
  if (blackHole) {
    const port = await application(blackHole.upstream, blackHole.host);
    proxies.push({ ...describe(await freePort(), blackHole.host, port, true, 'kernel'), isRemote: true });
  }
  await configure(pm2Sandbox, {
    proxies: proxies.map(({ port, upstreamHost, upstreamPort, isHttp, engine }) => ({
      listen: `127.0.0.1:${port}`,
      upstream: `${upstreamHost}:${upstreamPort}`,
      engine,
      ...(isHttp ? { probe: { type: 'http' } } : {}),
    })),
    monitor,
  });
  await startApps(pm2Sandbox);
  await statusUntil(pm2Sandbox, isAllUp, START_LIMIT_MS, 'all up after the start');
  await sleep(SETTLE_MS);
  const close = () => {
    process.off('exit', end);
    end();
    pm2Sandbox.close();
  };
  return {
    pm2Sandbox,
    upstream,
    clients,
    squatter,
    blackHole,
    proxies,
    baseline: takeBaseline(pm2Sandbox),
    close,
  };
};

const workerOf = (file) => startWorker(new URL(`../workers/${file}`, import.meta.url));

const describe = (port, upstreamHost, upstreamPort, isHttp, engine) => ({
  port,
  upstreamHost,
  upstreamPort,
  name: `tcp-proxy-${port}`,
  isHttp,
  engine,
});
