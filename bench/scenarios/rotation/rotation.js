// Numbered lines at an even rate, rotated ten times meanwhile, in each way; then they are counted.
import { mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { envIn, pm2, signal } from '../../chaos/pm2-sandbox.js';
import { cpuMs, processesOf } from '../../chaos/processes.js';
import { alongWith, runTool } from '../../lib/children.js';
import { pathOf } from '../../lib/tools.js';
import { countLines, rotatedOf } from './lines.js';
import { rotateProxy } from './proxy.js';

const SOURCE = fileURLToPath(new URL('../../../src/logging', import.meta.url));
const WRITER = fileURLToPath(new URL('writer.js', import.meta.url));
const APP = 'writer';
const MODULE = 'pm2-logrotate@3.0.0';
/** With these npm finds its registry, though HOME is another one. */
const NPM_ENV = {
  npm_config_userconfig: join(homedir(), '.npmrc'),
  ...(process.env.NODE_EXTRA_CA_CERTS ? { NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS } : {}),
};
const LOOK_EVERY_MS = 20;
/** PM2 has written what it was given when its file has not grown for so long. */
const QUIET_MS = 1_500;

/** @returns the lines that are lost, torn, doubled, out of order; the rotations; CPU for 1,000 lines, ms */
export const rotation = async ({ way, folder, sizes }) => {
  const station = openStation(folder);
  if (way.isProxy)
    return rotateProxy(station, { folder, sizes }, (path) => runLogrotate(station, way.rule(path)));
  const [name, logs] = way.isOwn ? ['own', join(station.folder, 'own')] : [`${APP}-out`, station.logs];
  const path = join(logs, `${name}.log`);
  if (way.isModule) await installModule(station, sizes);
  const writer = await startWriter(station, way.isOwn ? path : 'stdout', { ...sizes, ...way });
  const daemon = [...processesOf(station.folder)].find(([, role]) => role === 'daemon')?.[0];
  const daemonBefore = cpuMs(daemon);
  if (!way.isModule) await rotateTimes(station, way.rule(path, daemon), writer, sizes);
  const used = await writer.done();
  await untilQuiet(path);
  return {
    lines: sizes.lines,
    ...countLines(logs, name, sizes.lines),
    rotations: rotatedOf(logs, name).length,
    rate: sizes.lines / used.seconds,
    writerMs: (used.user + used.system) / 1_000 / (sizes.lines / 1_000),
    daemonMs: (cpuMs(daemon) - daemonBefore) / (sizes.lines / 1_000),
  };
};

const openStation = (parent) => {
  const folder = mkdtempSync(join(parent, 'rotation-'));
  alongWith(() => {
    for (const pid of processesOf(folder).keys()) signal(pid, 'SIGKILL');
  });
  mkdirSync(join(folder, 'own'));
  return { folder, env: { ...envIn(folder), ...NPM_ENV }, logs: join(folder, 'pm2/logs') };
};

const startWriter = async (station, path, { lines, rate }) => {
  const built = join(station.folder, 'built.cjs');
  const contents = `export * from './file-sink.ts'; export * from './logger.ts';`;
  buildSync({
    stdin: { contents, resolveDir: SOURCE, loader: 'ts' },
    outfile: built,
    bundle: true,
    format: 'cjs',
    platform: 'node',
  });
  const done = join(station.folder, 'done');
  await pm2(station, 'start', WRITER, '--name', APP, '--', built, path, `${lines}`, `${rate}`, done);
  return {
    isDone: () => statSync(done, { throwIfNoEntry: false }) !== undefined,
    done: async () => {
      while (!(statSync(done, { throwIfNoEntry: false })?.size > 0)) await sleep(LOOK_EVERY_MS);
      return JSON.parse(readFileSync(done, 'utf8'));
    },
  };
};

const rotateTimes = async (station, rule, writer, { rotations, apartMs }) => {
  for (let done = 0; done < rotations && !writer.isDone(); done += 1) {
    await sleep(apartMs);
    await runLogrotate(station, rule);
  }
};

const runLogrotate = (station, rule) => {
  const [config, state] = [join(station.folder, 'rule'), join(station.folder, 'state')];
  writeFileSync(config, rule, { mode: 0o600 });
  return runTool([...envOf(station), pathOf('logrotate'), '--force', '--state', state, config]);
};

const envOf = ({ env }) => [
  '/usr/bin/env',
  ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
];

/** Rotates by size, looked at each second, so that about as many rotations come about. */
const installModule = async (station, { lines, rotations }) => {
  await pm2(station, 'install', MODULE);
  await pm2(station, 'set', 'pm2-logrotate:workerInterval', '1');
  await pm2(station, 'set', 'pm2-logrotate:compress', 'true');
  await pm2(
    station,
    'set',
    'pm2-logrotate:max_size',
    `${Math.round((lines * LINE_BYTES) / rotations / 1_024)}K`,
  );
};
const LINE_BYTES = 110;

const untilQuiet = async (path) => {
  let [size, at] = [-1, performance.now()];
  while (performance.now() - at < QUIET_MS) {
    const now = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (now !== size) [size, at] = [now, performance.now()];
    await sleep(LOOK_EVERY_MS);
  }
};
