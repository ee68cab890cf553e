// A real PM2 daemon with its own PM2_HOME and STEADYPORT_HOME, which runs the proxies and the monitor.
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
/** The project's own ecosystem file, without the preload of the chaos run. */
export const PROJECT = fileURLToPath(new URL('../../../ecosystem.config.js', import.meta.url));
const PM2 = createRequire(import.meta.url).resolve('pm2/bin/pm2');
/** Below Linux's ephemeral ports, and below the monitor's own 20000 to 31999. */
const PORTS = { first: 12_000, count: 8_000 };
const COMMAND_LIMIT_MS = 300_000;

/** @param prefix the program that starts PM2's command line, with its arguments */
export const openPm2Sandbox = (prefix = []) => {
  const folder = mkdtempSync(join(tmpdir(), 'steadyport-chaos-'));
  const env = { ...envIn(folder), LOG_FORMAT: 'json', NO_COLOR: '1' };
  const pm2Sandbox = {
    folder,
    env,
    prefix,
    httpPort: undefined,
    pm2Pid: () => integerOf(join(folder, 'pm2/pm2.pid')),
  };
  mkdirSync(join(folder, 'orders'));
  pm2Sandbox.disks = openDisks([env.STEADYPORT_HOME, join(folder, 'pm2/logs')]);
  pm2Sandbox.close = () => {
    process.off('exit', pm2Sandbox.close);
    for (const pid of processesOf(folder).keys()) signal(pid, 'SIGKILL');
    pm2Sandbox.disks?.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  process.on('exit', pm2Sandbox.close);
  return pm2Sandbox;
};

/** The whole environment of PM2 and the apps: their state is in the folder, and only PATH comes from the caller. */
export const envIn = (folder) => ({
  PATH: process.env.PATH,
  HOME: folder,
  PM2_HOME: join(folder, 'pm2'),
  STEADYPORT_HOME: join(folder, 'home'),
  STEADYPORT_CONFIG: join(folder, 'steadyport.json'),
  STEADYPORT_PROJECT: 'default',
});

/** Empties the logs. PM2 appends, so that a truncated file continues at its new end. */
export const cutLogs = ({ folder, env }) => {
  for (const logs of [join(folder, 'pm2/logs'), join(env.STEADYPORT_HOME, 'logs')])
    for (const name of existsSync(logs) ? readdirSync(logs) : []) truncateSync(join(logs, name));
};

/** Writes the config. Thresholds and intervals are the defaults unless `monitor` has them. */
export const configure = async (pm2Sandbox, { proxies, monitor }) => {
  pm2Sandbox.httpPort = await freePort();
  const http = `127.0.0.1:${pm2Sandbox.httpPort}`;
  const text = JSON.stringify({ proxies, monitor: { http, ...monitor } }, null, 2);
  writeFileSync(pm2Sandbox.env.STEADYPORT_CONFIG, text);
};

/** Runs PM2's command line; rejects when it fails. */
export const pm2 = ({ env, folder, prefix = [] }, ...args) =>
  run([...prefix, process.execPath, PM2, ...args], { env, cwd: folder });

export const startApps = (pm2Sandbox, ecosystem = ECOSYSTEM) => pm2(pm2Sandbox, 'start', ecosystem);

/** Sets the order that preload.js obeys in an app. @param word undefined: removes the order */
export const setOrder = ({ folder }, app, word) => {
  if (word === undefined) rmSync(join(folder, 'orders', app), { force: true });
  else writeFileSync(join(folder, 'orders', app), word);
};

export const freePort = async () => {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    if (await isFree(port)) return port;
  }
};

/** @returns different ports */
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

/** @returns whether there was a process to signal */
export const signal = (pid, name) => {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
};

/** @returns the JSON lines of an app's log since {@link cutLogs} */
export const logLines = ({ folder }, app) =>
  (textOf(join(folder, 'pm2/logs', `${app}-out.log`)) ?? '')
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line));

/** @returns how often PM2 has restarted each app, by its name */
export const pm2Restarts = async (pm2Sandbox) =>
  new Map(
    JSON.parse(await pm2(pm2Sandbox, 'jlist')).map(({ name, pm2_env }) => [name, pm2_env.restart_time]),
  );

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
