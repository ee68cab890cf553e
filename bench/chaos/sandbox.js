// Where the faults happen: proxies with their upstreams, the clients, the station, all of them running.
import { setTimeout as sleep } from 'node:timers/promises';
import { takeBaseline } from './leftovers.js';
import { openHole } from './packet-drop.js';
import { configure, freePort, openStation, startApps } from './pm2-sandbox.js';
import { isAllUp, statusUntil } from './status.js';
import { startHelper } from './worker.js';

const START_LIMIT_MS = 60_000;
/** What is young is not counted as it will be: connections of PM2's command line, first probes. */
const SETTLE_MS = 12_000;

export const PLACES = {
  usual: {
    /** So many that rounds on one port are far apart: five crashes within two minutes are a crash loop. */
    count: 8,
    /** Many rounds on few ports are no reason to give up. */
    monitor: { maxRestarts: 1_000 },
  },
  /** Where a port is given up, and tried again, within one round. */
  impatient: { count: 3, monitor: { maxRestarts: 3, restartCooldownMs: 4_000 } },
  /** Of open files, for the daemon and everything that it starts. */
  narrow: { count: 3, monitor: {}, files: 512 },
};

/** @param name of {@link PLACES} */
export const openPlace = async (name) => {
  const { count, monitor, files } = PLACES[name];
  const station = openStation(files === undefined ? [] : ['prlimit', `--nofile=${files}:${files}`]);
  const [upstream, clients, thief] = ['upstream.js', 'clients.js', 'port-squatter.js'].map((file) =>
    startHelper(file),
  );
  const helpers = [upstream, clients, thief];
  const end = () => {
    for (const helper of helpers) helper.end();
  };
  process.on('exit', end);
  const hole = name === 'usual' ? openHole() : undefined;
  const application = async (helper, host) => {
    const port = await freePort();
    await helper.ask('open', { port, host });
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
  if (hole) {
    const port = await application(hole.upstream, hole.host);
    proxies.push({ ...describe(await freePort(), hole.host, port, true, 'kernel'), isBeyond: true });
  }
  await configure(station, {
    proxies: proxies.map(({ port, upstreamHost, upstreamPort, isHttp, engine }) => ({
      listen: `127.0.0.1:${port}`,
      upstream: `${upstreamHost}:${upstreamPort}`,
      engine,
      ...(isHttp ? { probe: { type: 'http' } } : {}),
    })),
    monitor,
  });
  await startApps(station);
  await statusUntil(station, isAllUp, START_LIMIT_MS, 'all up after the start');
  await sleep(SETTLE_MS);
  const close = () => {
    process.off('exit', end);
    end();
    station.close();
  };
  return { station, upstream, clients, thief, hole, proxies, baseline: takeBaseline(station), close };
};

const describe = (port, upstreamHost, upstreamPort, isHttp, engine) => ({
  port,
  upstreamHost,
  upstreamPort,
  name: `tcp-proxy-${port}`,
  isHttp,
  engine,
});
