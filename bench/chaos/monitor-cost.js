// What the monitor costs while nothing happens: its CPU and memory, and what it makes the PM2 daemon do.
import { setTimeout as sleep } from 'node:timers/promises';
import { configure, freePorts, openStation, PROJECT, pm2, startApps } from './pm2-sandbox.js';
import { cpuMs, processesOf, residentBytes } from './processes.js';
import { isAllUp, statusUntil } from './status.js';
import { startHelper } from './worker.js';

const WINDOWS = 6;
const WINDOW_MS = 10_000;
const START_LIMIT_MS = 180_000;
const SETTLE_MS = 30_000;
const MONITOR = 'proxy-monitor';

/** @param counts how many proxies, one number for each row */
export const measureCost = async (counts, progress) => {
  const upstream = startHelper('upstream.js');
  process.on('exit', upstream.end);
  const rows = [];
  for (const count of counts) {
    rows.push(await measure(count, upstream));
    progress(JSON.stringify(rows.at(-1)));
  }
  upstream.end();
  return rows;
};

const measure = async (count, upstream) => {
  const station = openStation();
  const [application, ...ports] = await freePorts(count + 1);
  await upstream.ask('open', { port: application, host: '127.0.0.1' });
  const proxies = ports.map((port) => ({
    listen: `127.0.0.1:${port}`,
    upstream: `127.0.0.1:${application}`,
  }));
  await configure(station, { proxies });
  await startApps(station, PROJECT);
  const { monitor } = await statusUntil(station, isAllUp, START_LIMIT_MS, 'all up after the start');
  await sleep(SETTLE_MS);
  const names = [...processesOf(station.folder)].filter(([, role]) => role.startsWith('tcp-proxy-'));
  const proxyPids = names.map(([pid]) => pid);
  const daemon = station.pm2Pid();
  const together = await watch({ monitor: [monitor.pid], daemon: [daemon], proxy: proxyPids });
  await pm2(station, 'stop', MONITOR);
  await sleep(SETTLE_MS / 3);
  const alone = await watch({ daemon: [daemon] });
  station.close();
  return {
    count,
    monitor: together.monitor.cpu,
    rss: together.monitor.rss,
    daemon: together.daemon.cpu,
    daemonAlone: alone.daemon.cpu,
    proxy: together.proxy.cpu,
    proxyRss: together.proxy.rss,
  };
};

/** For each name, of one process on average: CPU in ms for each second, and MB, window by window. */
const watch = async (processes) => {
  const figures = Object.fromEntries(Object.keys(processes).map((name) => [name, { cpu: [], rss: [] }]));
  for (let window = 0; window < WINDOWS; window += 1) {
    const startedAt = performance.now();
    const before = Object.fromEntries(
      Object.entries(processes).map(([name, pids]) => [name, sum(pids, cpuMs)]),
    );
    await sleep(WINDOW_MS);
    const seconds = (performance.now() - startedAt) / 1_000;
    for (const [name, pids] of Object.entries(processes)) {
      figures[name].cpu.push((sum(pids, cpuMs) - before[name]) / seconds / pids.length);
      figures[name].rss.push(sum(pids, residentBytes) / pids.length / 2 ** 20);
    }
  }
  return figures;
};

const sum = (pids, of) => pids.reduce((total, pid) => total + of(pid), 0);
