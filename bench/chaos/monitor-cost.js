// Measures the cost of an idle monitor: its CPU and memory, and the work that it causes in the PM2 daemon.
import { setTimeout as sleep } from 'node:timers/promises';
import { startWorker } from '../lib/ipc-worker.js';
import { configure, freePorts, openPm2Sandbox, PROJECT, pm2, startApps } from './sandbox/pm2-sandbox.js';
import { cpuMs, processesOf, residentBytes } from './sandbox/processes.js';
import { isAllUp, statusUntil } from './sandbox/status.js';

const WINDOWS = 6;
const WINDOW_MS = 10_000;
const START_LIMIT_MS = 180_000;
const SETTLE_MS = 30_000;
const MONITOR = 'proxy-monitor';

/** @param counts the number of proxies of each row */
export const measureCost = async (counts, progress) => {
  const upstream = startWorker(new URL('workers/upstream.js', import.meta.url));
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
  const pm2Sandbox = openPm2Sandbox();
  const [application, ...ports] = await freePorts(count + 1);
  await upstream.call('open', { port: application, host: '127.0.0.1' });
  const proxies = ports.map((port) => ({
    listen: `127.0.0.1:${port}`,
    upstream: `127.0.0.1:${application}`,
  }));
  await configure(pm2Sandbox, { proxies });
  await startApps(pm2Sandbox, PROJECT);
  const { monitor } = await statusUntil(pm2Sandbox, isAllUp, START_LIMIT_MS, 'all up after the start');
  await sleep(SETTLE_MS);
  const names = [...processesOf(pm2Sandbox.folder)].filter(([, role]) => role.startsWith('tcp-proxy-'));
  const proxyPids = names.map(([pid]) => pid);
  const daemon = pm2Sandbox.pm2Pid();
  const together = await watch({ monitor: [monitor.pid], daemon: [daemon], proxy: proxyPids });
  await pm2(pm2Sandbox, 'stop', MONITOR);
  await sleep(SETTLE_MS / 3);
  const alone = await watch({ daemon: [daemon] });
  pm2Sandbox.close();
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

/** @returns for each name the mean of its processes by window: CPU in ms per second, RSS in MB */
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

const sum = (pids, figureOf) => pids.reduce((total, pid) => total + figureOf(pid), 0);
