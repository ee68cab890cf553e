// Rotates the log of a proxy under a real PM2 and full load. In the end the log must have a line for each connection.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { PROJECT, pm2 } from '../../chaos/sandbox/pm2-sandbox.js';
import { freePort } from '../../lib/ports.js';
import { startHttp } from '../../lib/processes.js';
import { wrk } from '../../load/wrk.js';
import { linesOf, rotatedOf } from './lines.js';

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));
const LINE = /^\[[-\d]{10} [:\d]{8}\] \d+: 127\.0\.0\.1:\d+ → .*, hold \d+ ms, .*, \d+ active$/;
const POLL_MS = 100;
/** The rotations take this share of the load's time, so that lines come before the first and after the last. */
const ROTATING_SHARE = 0.9;

/** @param rotate runs logrotate once on the log of this path */
export const rotateProxy = async (pm2Sandbox, context, rotate) => {
  const { proxySeconds, rotations } = context.sizes;
  const upstream = await startHttp(context);
  const port = await freePort();
  const name = `tcp-proxy-${port}`;
  const proxies = [{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }];
  writeFileSync(pm2Sandbox.env.STEADYPORT_CONFIG, JSON.stringify({ proxies, monitor: { http: false } }));
  const logs = join(pm2Sandbox.env.STEADYPORT_HOME, 'logs');
  mkdirSync(logs, { recursive: true, mode: 0o700 });
  await pm2(pm2Sandbox, 'start', PROJECT);
  while ((await statusOf(pm2Sandbox))?.state !== 'up') await sleep(POLL_MS);

  const load = wrk(port, proxySeconds, 'Connection: close');
  for (let done = 0; done < rotations; done += 1) {
    await sleep((proxySeconds * ROTATING_SHARE * 1_000) / rotations);
    await rotate(join(logs, `${name}.log`));
  }
  const { requests, seconds } = await load;
  while ((await statusOf(pm2Sandbox)).connections.active > 0) await sleep(POLL_MS);
  const { total } = (await statusOf(pm2Sandbox)).connections;
  const lines = [...rotatedOf(logs, name), `${name}.log`].flatMap((file) => linesOf(join(logs, file)));
  return {
    lines: total,
    rate: requests / seconds,
    rotations: rotatedOf(logs, name).length,
    lost: Math.max(0, total - lines.length),
    torn: lines.filter((line) => !LINE.test(line)).length,
    duplicated: Math.max(0, lines.length - total),
    disordered: lines.filter((line, at) => at > 0 && line.slice(0, 21) < lines[at - 1].slice(0, 21)).length,
  };
};

/**
 * @returns the status of the first proxy; undefined while the monitor does not answer, when the command exits with another
 *   code than 0
 */
const statusOf = async ({ env }) => {
  try {
    return JSON.parse(execFileSync(process.execPath, [CLI, 'status', '--json'], { env })).proxies[0];
  } catch {
    return undefined;
  }
};
