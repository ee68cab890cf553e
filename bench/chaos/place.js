// Where the faults happen: proxies with their upstreams, the clients, the station, all of them running.
import { startHelper } from './helper.js';
import { takeBaseline } from './leftovers.js';
import { configure, freePort, isAllUp, openStation, startApps, statusUntil } from './station.js';

/** So many that rounds on one port are far apart: five crashes within two minutes are a crash loop. */
const PROXIES = 8;
const START_LIMIT_MS = 60_000;
/** What is young is not counted as it will be: connections of PM2's command line, first probes. */
const SETTLE_MS = 12_000;
/** Many rounds on few ports are no reason to give up. */
export const RESTART_BUDGET = 1_000;

export const openPlace = async () => {
  const station = openStation();
  const upstream = startHelper('upstream.js');
  const clients = startHelper('clients.js');
  process.on('exit', () => {
    upstream.end();
    clients.end();
  });
  const proxies = [];
  while (proxies.length < PROXIES) {
    const [port, upstreamPort] = [await freePort(), await freePort()];
    await upstream.ask('open', { port: upstreamPort, host: '127.0.0.1' });
    proxies.push({ port, upstreamPort, name: `tcp-proxy-${port}`, isHttp: proxies.length % 2 === 0 });
  }
  await configure(station, {
    proxies: proxies.map(({ port, upstreamPort, isHttp }) => ({
      listen: `127.0.0.1:${port}`,
      upstream: `127.0.0.1:${upstreamPort}`,
      ...(isHttp ? { probe: { type: 'http' } } : {}),
    })),
    monitor: { restartBudget: RESTART_BUDGET },
  });
  await startApps(station);
  await statusUntil(station, isAllUp, START_LIMIT_MS, 'all up after the start');
  await new Promise((done) => setTimeout(done, SETTLE_MS));
  return { station, upstream, clients, proxies, baseline: takeBaseline(station) };
};
