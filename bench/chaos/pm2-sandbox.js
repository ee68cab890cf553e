// A real PM2 daemon with a PM2_HOME and a STEADYPORT_HOME of its own, and the proxies and the monitor in it.
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openDisks } from './full-disk.js';
import { processesOf } from './processes.js';

const ECOSYSTEM = fileURLToPath(new URL('ecosystem.config.cjs', import.meta.url));
/** The apps as they are, without the orders of the chaos run. */
export const PROJECT = fileURLToPath(new URL('../../ecosystem.config.js', import.meta.url));
const PM2 = createRequire(import.meta.url).resolve('pm2/bin/pm2');
/** Below what Linux hands out, and below the monitor's own 20000 to 31999. */
const PORTS = { first: 12_000, count: 8_000 };
const COMMAND_LIMIT_MS = 300_000;

/** @param prefix what PM2's command line is started by */
export const openStation = (prefix = []) => {
  const folder = mkdtempSync(join(tmpdir(), 'steadyport-chaos-'));
  const env = { ...envIn(folder), LOG_FORMAT: 'json', NO_COLOR: '1' };
  const station = {
    folder,
    env,
    prefix,
    page: undefined,
    pm2Pid: () => integerOf(join(folder, 'pm2/pm2.pid')),
  };
  mkdirSync(join(folder, 'orders'));
  station.disks = openDisks([env.STEADYPORT_HOME, join(folder, 'pm2/logs')]);
  station.close = () => {
    process.off('exit', station.close);
    for (const pid of processesOf(folder).keys()) signal(pid, 'SIGKILL');
    station.disks?.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  process.on('exit', station.close);
  return station;
};

/** Everything that PM2 and the apps keep is in the folder, and nothing of the caller's environment reaches them. */
export const envIn = (folder) => ({
  PATH: process.env.PATH,
  HOME: folder,
  PM2_HOME: join(folder, 'pm2'),
  STEADYPORT_HOME: join(folder, 'home'),
  STEADYPORT_CONFIG: join(folder, 'steadyport.json'),
});

/** PM2 appends: a file that is cut goes on from there. */
export const cutLogs = ({ folder, env }) => {
  for (const logs of [join(folder, 'pm2/logs'), join(env.STEADYPORT_HOME, 'logs')])
    for (const name of existsSync(logs) ? readdirSync(logs) : []) truncateSync(join(logs, name));
};

/** Writes the config; the thresholds and intervals are the defaults but for what is given. */
export const configure = async (station, { proxies, monitor }) => {
  station.page = await freePort();
  const http = `127.0.0.1:${station.page}`;
  const text = JSON.stringify({ proxies, monitor: { http, ...monitor } }, null, 2);
  writeFileSync(station.env.STEADYPORT_CONFIG, text);
};

/** PM2's command line; rejects when it fails. */
export const pm2 = ({ env, folder, prefix = [] }, ...args) =>
  run([...prefix, process.execPath, PM2, ...args], { env, cwd: folder });

export const startApps = (station, ecosystem = ECOSYSTEM) => pm2(station, 'start', ecosystem);

export const order = ({ folder }, app, word) => {
  if (word === undefined) rmSync(join(folder, 'orders', app), { force: true });
  else writeFileSync(join(folder, 'orders', app), word);
};

export const freePort = async () => {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    if (await isFree(port)) return port;
  }
};

/** Each another. */
export const freePorts = async (count) => {
  const ports = new Set();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
};

const isFree = (port) =>
  new Promise((done) => {
    const server = createServer()
      .once('error', () => done(false))
      .listen(port, '127.0.0.1', () => server.close(() => done(true)));
  });

/** Whether there was a process to signal. */
export const signal = (pid, name) => {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
};

/** The JSON lines of an app's log, since it was last flushed. */
export const logLines = ({ folder }, app) =>
  (textOf(join(folder, 'pm2/logs', `${app}-out.log`)) ?? '')
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line));

/** How often PM2 has started each app again, by its name. */
export const pm2Restarts = async (station) =>
  new Map(JSON.parse(await pm2(station, 'jlist')).map(({ name, pm2_env }) => [name, pm2_env.restart_time]));

const run = ([program, ...args], { env, cwd }) =>
  new Promise((done, fail) => {
    const options = { env, cwd, maxBuffer: 1e8, timeout: COMMAND_LIMIT_MS };
    execFile(program, args, options, (error, stdout, stderr) =>
      error
        ? fail(new Error(`${args.slice(-2).join(' ')}: ${stderr || stdout}`, { cause: error }))
        : done(stdout),
    );
  });

const integerOf = (path) => Number(textOf(path)) || undefined;

const textOf = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};
