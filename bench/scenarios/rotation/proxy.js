// A proxy under a real PM2 and full load, its log rotated meanwhile; then there must be a line for each connection.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { PROJECT, pm2 } from '../../chaos/pm2-sandbox.js';
import { freePort } from '../../lib/ports.js';
import { startHttp } from '../../lib/processes.js';
import { wrk } from '../../load/wrk.js';
import { linesOf, rotatedOf } from './lines.js';

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));
const LINE = /^\[[-\d]{10} [:\d]{8}\] \d+: 127\.0\.0\.1:\d+ → .*, hold \d+ ms, .*, \d+ active$/;
const LOOK_EVERY_MS = 100;
/** Of the load's time the rotations take this much, so that lines come before the first and after the last. */
const SHARE = 0.9;

/** @param rotate runs logrotate once on the log of this path */
export const rotateProxy = async (station, place, rotate) => {
  const { proxySeconds, rotations } = place.sizes;
  const [upstream, port] = [await startHttp(place), await freePort()];
  const name = `tcp-proxy-${port}`;
  const proxies = [{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }];
  writeFileSync(station.env.STEADYPORT_CONFIG, JSON.stringify({ proxies, monitor: { http: false } }));
  const logs = join(station.env.STEADYPORT_HOME, 'logs');
  mkdirSync(logs, { recursive: true, mode: 0o700 });
  await pm2(station, 'start', PROJECT);
  while ((await statusOf(station))?.state !== 'up') await sleep(LOOK_EVERY_MS);

  const load = wrk(port, proxySeconds, 'Connection: close');
  for (let done = 0; done < rotations; done += 1) {
    await sleep((proxySeconds * SHARE * 1_000) / rotations);
    await rotate(join(logs, `${name}.log`));
  }
  const { requests, seconds } = await load;
  while ((await statusOf(station)).connections.active > 0) await sleep(LOOK_EVERY_MS);
  const { total } = (await statusOf(station)).connections;
  const lines = [...rotatedOf(logs, name), `${name}.log`].flatMap((file) => linesOf(join(logs, file)));
  return {
    lines: total,
    rate: requests / seconds,
    rotations: rotatedOf(logs, name).length,
    lost: Math.max(0, total - lines.length),
    torn: lines.filter((line) => !LINE.test(line)).length,
    doubled: Math.max(0, lines.length - total),
    disordered: lines.filter((line, at) => at > 0 && line.slice(0, 21) < lines[at - 1].slice(0, 21)).length,
  };
};

/** Undefined while the monitor does not answer: the exit code is then another than 0, with the status all the same. */
const statusOf = async ({ env }) => {
  try {
    return JSON.parse(execFileSync(process.execPath, [CLI, 'status', '--json'], { env })).proxies[0];
  } catch {
    return undefined;
  }
};
