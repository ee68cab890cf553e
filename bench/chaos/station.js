// A real PM2 daemon with a PM2_HOME and a STEADYPORT_HOME of its own, and the proxies and the monitor in it.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { processesOf } from './processes.js';

const ECOSYSTEM = fileURLToPath(new URL('ecosystem.config.cjs', import.meta.url));
const PM2 = createRequire(import.meta.url).resolve('pm2/bin/pm2');
/** Below what Linux hands out, and below the monitor's own 20000 to 31999. */
const PORTS = { first: 12_000, count: 8_000 };
const COMMAND_LIMIT_MS = 120_000;
const STATUS_LIMIT_MS = 1_000;
const LOOK_EVERY_MS = 100;

export const openStation = () => {
  const folder = mkdtempSync(join(tmpdir(), 'steadyport-chaos-'));
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    PM2_HOME: join(folder, 'pm2'),
    STEADYPORT_HOME: join(folder, 'home'),
    STEADYPORT_CONFIG: join(folder, 'steadyport.json'),
    LOG_FORMAT: 'json',
    NO_COLOR: '1',
  };
  const station = { folder, env, page: undefined, pm2Pid: () => integerOf(join(folder, 'pm2/pm2.pid')) };
  mkdirSync(join(folder, 'orders'));
  process.on('exit', () => {
    for (const pid of processesOf(folder).keys()) signal(pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  });
  return station;
};

/** Writes the config; the thresholds and intervals are the defaults but for what is given. */
export const configure = async (station, { proxies, monitor }) => {
  station.page = await freePort();
  const http = `127.0.0.1:${station.page}`;
  const text = JSON.stringify({ proxies, monitor: { http, ...monitor } }, null, 2);
  writeFileSync(station.env.STEADYPORT_CONFIG, text);
};

/** PM2's command line; rejects when it fails. */
export const pm2 = ({ env, folder }, ...args) => run(PM2, args, { env, cwd: folder });

export const startApps = (station) => pm2(station, 'start', ECOSYSTEM);

export const order = ({ folder }, app, word) => {
  if (word === undefined) rmSync(join(folder, 'orders', app), { force: true });
  else writeFileSync(join(folder, 'orders', app), word);
};

/** What the monitor says over HTTP; undefined when it does not. */
export const readStatus = ({ page }) =>
  new Promise((done) => {
    const fail = () => done(undefined);
    const call = get(
      { host: '127.0.0.1', port: page, path: '/api/v1/status', agent: false, timeout: STATUS_LIMIT_MS },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => done(JSON.parse(text))).on('error', fail);
      },
    );
    call.on('error', fail).on('timeout', () => call.destroy());
  });

/** Looks at the status again and again until `end()`: each look and each line of the monitor's log, once. */
export const follow = (station) => {
  const looks = [];
  const lines = new Set();
  let isOver = false;
  const work = (async () => {
    while (!isOver) {
      const atMs = Date.now();
      const status = await readStatus(station);
      looks.push({ atMs, status });
      for (const line of status?.log ?? []) lines.add(line);
      await sleep(Math.max(0, atMs + LOOK_EVERY_MS - Date.now()));
    }
  })();
  return {
    looks,
    end: async () => {
      isOver = true;
      await work;
      return { looks, lines: [...lines].map((line) => JSON.parse(line)) };
    },
  };
};

/** Resolves with the last status once `wanted` holds of it; rejects after `limitMs`, with what was seen last. */
export const statusUntil = async (station, wanted, limitMs, what) => {
  let last;
  for (const giveUpAt = Date.now() + limitMs; Date.now() < giveUpAt; await sleep(LOOK_EVERY_MS)) {
    last = await readStatus(station);
    if (last && wanted(last)) return last;
  }
  throw new Error(`not ${what} after ${limitMs / 1_000} s; ${describe(last)}`);
};

const describe = (status) => {
  if (!status) return 'the monitor does not answer';
  const said = status.proxies.filter(({ state, pm2: word }) => state !== 'up' || word !== 'online');
  return said
    .map(({ id, state, cause, pm2: word, detail }) => `${id} is ${state} (${cause}, PM2: ${word}, ${detail})`)
    .concat(status.monitor.pm2Problem ?? [])
    .join('; ');
};

export const isAllUp = ({ monitor, proxies }) =>
  monitor.pm2Problem === null && proxies.every(({ state, pm2: word }) => state === 'up' && word === 'online');

export const freePort = async () => {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    if (await isFree(port)) return port;
  }
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

const run = (script, args, { env, cwd }) =>
  new Promise((done, fail) => {
    const options = { env, cwd, maxBuffer: 1e8, timeout: COMMAND_LIMIT_MS };
    execFile(process.execPath, [script, ...args], options, (error, stdout, stderr) =>
      error ? fail(new Error(`${args.join(' ')}: ${stderr || stdout}`, { cause: error })) : done(stdout),
    );
  });

const integerOf = (path) => {
  try {
    return Number(readFileSync(path, 'utf8')) || undefined;
  } catch {
    return undefined;
  }
};
