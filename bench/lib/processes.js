// Starts the upstream and the forwarder of a measure. The caller of the measure stops them.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { nginxCommand } from '../targets/nginx.js';
import { launch } from './children.js';
import { freePort, waitForPort } from './ports.js';
import { cpuSeconds, machineSeconds } from './proc.js';

export const start = async (commandFor, { folder }) => {
  const port = await freePort();
  const server = launch(commandFor(port), { folder, listen: port });
  await waitForPort(server);
  return server;
};

export const startEcho = (context) => startProgram('upstream/echo.js', context);

export const startProgram = (path, context) => start((port) => commandOf(path, port), context);

/** Starts a program at a port that one before it had. */
export const restartProgram = async (path, port, { folder }) => {
  const server = launch(commandOf(path, port), { folder, listen: port });
  await waitForPort(server);
  return server;
};

const commandOf = (path, port) => [process.execPath, fileOf(`../targets/${path}`), `${port}`];

/** Starts an nginx that answers "ok". */
export const startHttp = (context) =>
  start((port) => nginxCommand('upstream', httpConfig(port), context), context);

export const launchForwarder = async (upstream, { forwarder, folder }) => {
  const setup = { folder, listen: await freePort(), upstream: upstream.port };
  return launch(forwarder.command(setup), setup);
};

export const startForwarder = async (upstream, context) => {
  const forwarder = await launchForwarder(upstream, context);
  await waitForPort(forwarder);
  return forwarder;
};

/** Warms the forwarder up, then loads it. @returns the load's result, and the CPU seconds of it and of the machine */
export const loaded = async (forwarder, { warmUp, settleMs }, load) => {
  if (warmUp > 0) await load(warmUp);
  await sleep(settleMs);
  const before = { cpu: cpuSeconds(forwarder), machine: machineSeconds() };
  const result = await load(1);
  await sleep(settleMs);
  return { ...result, cpu: cpuSeconds(forwarder) - before.cpu, machine: machineSeconds() - before.machine };
};

const fileOf = (path) => fileURLToPath(new URL(path, import.meta.url));

/** In nginx's own folder, since other users may not write to Debian's. */
const NGINX_TEMP_PATHS = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  .map((name) => `  ${name}_temp_path ${name};`)
  .join('\n');

const httpConfig = (port) => `
worker_processes 1;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
${NGINX_TEMP_PATHS}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / { return 200 "ok"; }
  }
}
`;
