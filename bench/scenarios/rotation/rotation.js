// Writes numbered lines at a steady rate, rotates the log meanwhile in one of the ways, and counts the lines.
import { mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { envIn, pm2, signal } from '../../chaos/sandbox/pm2-sandbox.js';
import { cpuMs, processesOf } from '../../chaos/sandbox/processes.js';
import { killWithChildren, runTool } from '../../lib/children.js';
import { pathOf } from '../../lib/tools.js';
import { countLines, rotatedOf } from './lines.js';
import { rotateProxy } from './proxy.js';

const SOURCE = fileURLToPath(new URL('../../../src/logging', import.meta.url));
const WRITER = fileURLToPath(new URL('writer.js', import.meta.url));
const APP = 'writer';
const MODULE = 'pm2-logrotate@3.0.0';
/** With these variables npm finds its registry although HOME is the sandbox. */
const NPM_ENV = {
  npm_config_userconfig: join(homedir(), '.npmrc'),
  ...(process.env.NODE_EXTRA_CA_CERTS ? { NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS } : {}),
};
const POLL_MS = 20;
/** When its file has not grown for QUIET_MS, PM2 has written everything. */
const QUIET_MS = 1_500;

/** @returns the lines that are lost, torn, duplicated or out of order, the rotations, and the CPU for 1,000 lines in ms */
export const rotation = async ({ way, folder, sizes }) => {
  const pm2Sandbox = openPm2Sandbox(folder);
  if (way.isProxy)
    return rotateProxy(pm2Sandbox, { folder, sizes }, (path) => runLogrotate(pm2Sandbox, way.rule(path)));
  const [name, logs] = way.isOwn ? ['own', join(pm2Sandbox.folder, 'own')] : [`${APP}-out`, pm2Sandbox.logs];
  const path = join(logs, `${name}.log`);
  if (way.isModule) await installModule(pm2Sandbox, sizes);
  const writer = await startWriter(pm2Sandbox, way.isOwn ? path : 'stdout', { ...sizes, ...way });
  const daemon = [...processesOf(pm2Sandbox.folder)].find(([, role]) => role === 'daemon')?.[0];
  const daemonBefore = cpuMs(daemon);
  if (!way.isModule) await rotateTimes(pm2Sandbox, way.rule(path, daemon), writer, sizes);
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

const openPm2Sandbox = (parent) => {
  const folder = mkdtempSync(join(parent, 'rotation-'));
  killWithChildren(() => {
    for (const pid of processesOf(folder).keys()) signal(pid, 'SIGKILL');
  });
  mkdirSync(join(folder, 'own'));
  return { folder, env: { ...envIn(folder), ...NPM_ENV }, logs: join(folder, 'pm2/logs') };
};

const startWriter = async (pm2Sandbox, path, { lines, rate }) => {
  const built = join(pm2Sandbox.folder, 'built.cjs');
  const contents = `export * from './file-sink.ts'; export * from './logger.ts';`;
  buildSync({
    stdin: { contents, resolveDir: SOURCE, loader: 'ts' },
    outfile: built,
    bundle: true,
    format: 'cjs',
    platform: 'node',
  });
  const done = join(pm2Sandbox.folder, 'done');
  await pm2(pm2Sandbox, 'start', WRITER, '--name', APP, '--', built, path, `${lines}`, `${rate}`, done);
  return {
    isDone: () => statSync(done, { throwIfNoEntry: false }) !== undefined,
    done: async () => {
      while (!(statSync(done, { throwIfNoEntry: false })?.size > 0)) await sleep(POLL_MS);
      return JSON.parse(readFileSync(done, 'utf8'));
    },
  };
};

const rotateTimes = async (pm2Sandbox, rule, writer, { rotations, apartMs }) => {
  for (let done = 0; done < rotations && !writer.isDone(); done += 1) {
    await sleep(apartMs);
    await runLogrotate(pm2Sandbox, rule);
  }
};

const runLogrotate = (pm2Sandbox, rule) => {
  const config = join(pm2Sandbox.folder, 'rule');
  const state = join(pm2Sandbox.folder, 'state');
  writeFileSync(config, rule, { mode: 0o600 });
  return runTool([...envOf(pm2Sandbox), pathOf('logrotate'), '--force', '--state', state, config]);
};

const envOf = ({ env }) => [
  '/usr/bin/env',
  ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
];

/** The module checks the size every second. It is set so that about `rotations` rotations happen. */
const installModule = async (pm2Sandbox, { lines, rotations }) => {
  await pm2(pm2Sandbox, 'install', MODULE);
  await pm2(pm2Sandbox, 'set', 'pm2-logrotate:workerInterval', '1');
  await pm2(pm2Sandbox, 'set', 'pm2-logrotate:compress', 'true');
  await pm2(
    pm2Sandbox,
    'set',
    'pm2-logrotate:max_size',
    `${Math.round((lines * LINE_BYTES) / rotations / 1_024)}K`,
  );
};
const LINE_BYTES = 110;

const untilQuiet = async (path) => {
  let lastSize = -1;
  let grownAt = performance.now();
  while (performance.now() - grownAt < QUIET_MS) {
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size !== lastSize) {
      lastSize = size;
      grownAt = performance.now();
    }
    await sleep(POLL_MS);
  }
};
