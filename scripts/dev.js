// `npm run dev [-- NAME]` runs the proxies of STEADYPORT_CONFIG and the monitor, follows their logs, and restarts the apps
// that a change of src/ or of the config concerns. With NAME, such as 6274, it restarts only that proxy and the monitor; the
// other proxies keep their connections and their old code. Ctrl-C ends all of it.
// Everything is in .dev/, which is a project's root of its own, with its own dist/, PM2_HOME and STEADYPORT_HOME: whatever
// else runs from this checkout stays as it is (docs/decisions.md: ADR-0044).
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, watchFile, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { context } from 'esbuild';
import { makeBuildOptions } from './build.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CONFIG = resolve(process.env.STEADYPORT_CONFIG || join(ROOT, 'steadyport.json'));
const FOLDER = join(ROOT, '.dev');
const DIST = join(FOLDER, 'dist');
const CLI = join(DIST, 'cli.js');
const ECOSYSTEM = join(FOLDER, 'ecosystem.config.js');
const PID_FILE = join(FOLDER, 'dev.pid');
const PM2 = createRequire(import.meta.url).resolve('pm2/bin/pm2');
const OWN_ENV = {
  PM2_HOME: join(FOLDER, 'pm2'),
  STEADYPORT_HOME: join(FOLDER, 'home'),
  STEADYPORT_CONFIG: CONFIG,
  STEADYPORT_PROJECT: 'default',
};
const ENV = { ...process.env, ...OWN_ENV };
const MONITOR = 'proxy-monitor';
const CONFIG_POLL_MS = 300;
const EXIT_POLL_MS = 20;
const EXIT_TIMEOUT_MS = 10_000;

/** The exit code of `start` when PM2 has the apps, and one of them did not come up (src/commands/table.ts). */
const NOT_ALL_CAME_UP = 1;

/** The files of dist/ that each app has in it. Every other file is a command of its own. */
const FILES_OF_ALL = ['cli.js', 'pm2/ecosystem.js'];
const FILES_OF_MONITOR = [...FILES_OF_ALL, 'commands/run/monitor.js'];
const FILES_OF_PROXIES = [...FILES_OF_ALL, 'commands/run/run.js', 'commands/run/worker.js'];

/** The part of the command line that chooses one proxy; undefined: all of them. */
const [chosenName] = process.argv.slice(2);
/** The hash of each file as it was last written, by its place in dist/. */
const hashes = new Map();
/** The names of the proxies that PM2 has; undefined while it has none. */
let proxies;
/** True when all of them came up at the last start. Otherwise the next change starts all of them again. */
let hasComeUp = false;
/** The process that follows the logs. */
let logs;
let isStopping = false;
/** Settles when the jobs that were given to {@link inTurn} so far are done. */
let turn = Promise.resolve();

const main = async () => {
  requireSingleInstance();
  await remove();
  mkdirSync(FOLDER, { mode: 0o700 });
  writeFileSync(PID_FILE, `${process.pid}\n`);
  for (const file of ['ecosystem.config.js', 'package.json']) cpSync(join(ROOT, file), join(FOLDER, file));
  // PM2 runs what is in .dev/, and not a copy of it (src/release).
  writeFileSync(join(FOLDER, 'release.json'), '');
  const stopping = new Promise((stop) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);
  });
  process.chdir(ROOT);
  const builder = await watchSources();
  for (const path of [CONFIG, join(dirname(CONFIG), '.env')])
    watchFile(path, { interval: CONFIG_POLL_MS }, (current, previous) => {
      // Node.js also tells once of a file that does not exist.
      if (current.mtimeMs !== previous.mtimeMs) inTurn(() => onConfigChange(path));
    });

  await stopping;
  isStopping = true;
  print('ends the apps, and removes .dev/');
  await turn;
  await builder.dispose();
  logs?.kill();
  await remove();
  // The watchers of the config would keep this process alive.
  process.exit();
};

const print = (text) => process.stdout.write(`dev: ${text}\n`);

/** Runs one job at a time, in the order in which they come, and none once this process is to stop. */
const inTurn = (job) => {
  turn = turn.then(() => (isStopping ? undefined : job())).catch((error) => print(error.stack));
  return turn;
};

/** Exits with 1 when another process has .dev/. A process that was killed has left it behind, and does not count. */
const requireSingleInstance = () => {
  if (!existsSync(PID_FILE)) return;
  const pid = Number(readFileSync(PID_FILE, 'utf8'));
  if (!isAlive(pid)) return;
  process.stderr.write(
    `dev: another one runs in ${FOLDER}, with pid ${pid}; end it first, or remove ${PID_FILE}\n`,
  );
  process.exit(1);
};

/** Ends the PM2 daemon in .dev/ with all its apps, and removes the folder. */
const remove = async () => {
  const pidFile = join(OWN_ENV.PM2_HOME, 'pm2.pid');
  if (existsSync(pidFile)) {
    const daemonPid = Number(readFileSync(pidFile, 'utf8'));
    spawnSync(process.execPath, [PM2, 'kill'], { env: ENV, stdio: 'ignore' });
    // The daemon answers before it exits, and may still write to the folder.
    for (const giveUpAt = Date.now() + EXIT_TIMEOUT_MS; isAlive(daemonPid) && Date.now() < giveUpAt; )
      await sleep(EXIT_POLL_MS);
  }
  rmSync(FOLDER, { recursive: true, force: true });
};

const isAlive = (pid) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** Builds now and after each change of src/. A build waits until what the one before it led to is done. */
const watchSources = async () => {
  const options = makeBuildOptions(DIST);
  let startedAt = 0;
  const report = {
    name: 'report',
    setup: ({ onStart, onEnd }) => {
      onStart(() => {
        startedAt = performance.now();
      });
      onEnd(async (result) => {
        const builtMs = millisecondsSince(startedAt);
        await inTurn(() => onBuild(result, builtMs));
      });
    },
  };
  const builder = await context({ ...options, write: false, plugins: [...options.plugins, report] });
  await builder.watch();
  return builder;
};

const millisecondsSince = (startedAt) => Math.round(performance.now() - startedAt);

/** esbuild has printed the errors of a build that failed. */
const onBuild = async ({ errors, outputFiles }, builtMs) => {
  if (errors.length > 0)
    return print(`the build failed; ${proxies ? 'the last good one runs on' : 'nothing runs yet'}`);
  const files = writeChanged(outputFiles);
  const built =
    files.length === outputFiles.length ? 'everything' : files.join(', ') || 'nothing that differs';
  print(`built ${built} in ${builtMs} ms`);
  if (!hasComeUp) return startAll();
  const concerned = [
    ...(files.some((file) => FILES_OF_PROXIES.includes(file)) ? selectProxies(proxies) : []),
    ...(files.some((file) => FILES_OF_MONITOR.includes(file)) ? [MONITOR] : []),
  ];
  if (concerned.length > 0) await restart(concerned);
};

/** Writes the files that differ from the last build. @returns their places in dist/ */
const writeChanged = (outputFiles) => {
  const changed = outputFiles.filter(({ path, hash }) => hashes.get(path) !== hash);
  for (const { path, contents, hash } of changed) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, contents);
    hashes.set(path, hash);
  }
  return changed.map(({ path }) => relative(DIST, path));
};

/** Brings PM2 in line with the config, and follows the logs of its apps. */
const startAll = async () => {
  const startedAt = performance.now();
  const names = await readProxyNames();
  if (!names) return print('cannot start; correct the config, or change src/, to try again');
  if (selectProxies(names).length === 0) {
    print(`the config has no proxy "${chosenName}"; it has: ${names.join(', ')}`);
    process.exitCode = 2;
    process.emit('SIGTERM');
    return;
  }
  const { code, output } = await run([CLI, 'start']);
  hasComeUp = code === 0;
  if (code !== 0 && code !== NOT_ALL_CAME_UP)
    return print(`cannot start; correct this, then change the config or src/:\n${output}`);
  const isFirst = proxies === undefined;
  const isSame = proxies?.join() === names.join();
  proxies = names;
  const apps = [...names, MONITOR].join(', ');
  print(
    hasComeUp
      ? `started ${apps} in ${millisecondsSince(startedAt)} ms`
      : `not everything came up, and the next change starts it again:\n${output}`,
  );
  const variables = Object.entries(OWN_ENV).map(([name, path]) => `${name}=${path}`);
  if (isFirst) print(`for their status: ${variables.join(' ')} node ${CLI} status`);
  // The log of an app that did not come up says why.
  if (!isSame) followLogs(isFirst ? 20 : 0);
};

/**
 * Follows the logs of the apps that the config has now. They go through this process, so that the program that follows them
 * ends with it, whatever ends it.
 */
const followLogs = (lines) => {
  logs?.kill();
  const colours = process.stdout.isTTY ? { FORCE_COLOR: '1' } : {};
  logs = spawn(process.execPath, [CLI, 'logs', '-f', '-n', `${lines}`], {
    env: { ...ENV, ...colours },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  logs.stdout.pipe(process.stdout, { end: false });
};

/** Restarts these apps, and no others. */
const restart = async (names) => {
  const startedAt = performance.now();
  const runPm2 = (action) => run([PM2, action, ECOSYSTEM, '--only', names.join(',')]);
  // PM2 does not restart an app that has crashed and waits for its next start, and runs one twice that it is launching:
  // `start` takes both out first. It leaves those alone that run, with their old code.
  if (!(await areOnline(names))) {
    await startAll();
    if (!hasComeUp) return;
  }
  const result = await runPm2('start');
  if (result.code === 0) print(`restarted ${names.join(', ')} in ${millisecondsSince(startedAt)} ms`);
  else print(`cannot restart ${names.join(', ')}:\n${result.output}`);
};

/** True when PM2 has these apps as online, and is launching none of them. */
const areOnline = async (names) => {
  const { code, stdout } = await run([PM2, 'jlist']);
  if (code !== 0) return false;
  const online = JSON.parse(stdout).filter(({ pm2_env }) => pm2_env.status === 'online');
  return names.every((name) => online.some((app) => app.name === name));
};

const onConfigChange = async (path) => {
  print(`${path} has changed`);
  if (hashes.size > 0) await startAll();
};

const selectProxies = (names) =>
  chosenName === undefined
    ? names
    : names.filter((name) => name === chosenName || name.endsWith(`-proxy-${chosenName}`));

/** The PM2 apps of the config's proxies; undefined, and its mistakes on stderr, when the config is broken. */
const readProxyNames = async () => {
  const program = 'console.log(JSON.stringify(require(process.argv[1]).apps.map(({ name }) => name)))';
  const { code, output, stdout } = await run(['-e', program, ECOSYSTEM]);
  if (code === 0) return JSON.parse(stdout).filter((name) => name !== MONITOR);
  print(output);
  return undefined;
};

/**
 * Runs a program of Node.js. It is in a process group of its own, so that Ctrl-C does not end it halfway.
 * @returns `output` has what it wrote to stdout and stderr
 */
const run = (args) =>
  new Promise((done, fail) => {
    const child = spawn(process.execPath, args, {
      env: ENV,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let output = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    child.once('error', fail).once('close', (code) => done({ code, stdout, output: output.trimEnd() }));
  });

await main();
