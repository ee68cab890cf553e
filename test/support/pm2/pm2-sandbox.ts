import assert from 'node:assert/strict';
import { type ExecFileException, execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Snapshot } from '../../../src/status/snapshot.ts';
import { readInteger } from '../../../src/system/files.ts';
import { HAS_PROCFS, isAlive } from '../../../src/system/proc/procfs.ts';
import { freePort } from '../proxy/proxy-harness.ts';
import { until } from '../until.ts';
import { createMonitorClient, type MonitorClient } from './monitor-client.ts';

const ROOT = process.cwd();
export const ECOSYSTEM = join(ROOT, 'ecosystem.config.js');
const PM2_7 = createRequire(join(ROOT, 'package.json')).resolve('pm2/bin/pm2');

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A real PM2 daemon with a PM2_HOME and a STEADYPORT_HOME of its own. */
export interface Pm2Sandbox extends MonitorClient {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  configure(proxies: readonly object[], monitor?: object, alerts?: object): void;
  /** Runs PM2's command line. @throws when it fails, which would leave the test waiting for what it was to do */
  pm2(...args: string[]): Promise<Outcome>;
  /** The same, for a command that is to fail. */
  tryPm2(...args: string[]): Promise<Outcome>;
  /** The same, with other values of some variables. */
  tryPm2With(variables: Readonly<Record<string, string>>, ...args: string[]): Promise<Outcome>;
  /**
   * Runs an action of the monitor by `pm2 trigger`, and returns what that prints. PM2's command waits for ever where the answer
   * comes before the number of answers to wait for (lib/API/Extra.js of PM2), so it is ended then.
   */
  trigger(...action: string[]): Promise<string>;
  steadyport(...args: string[]): Promise<Outcome>;
  /** Runs a program of Node.js in the sandbox, such as the command line of another copy of the project. */
  run(script: string, ...args: string[]): Promise<Outcome>;
  /** Runs `steadyport status --json`, which finds the state without the monitor too. */
  status(): Promise<Snapshot>;
  /** What PM2 has written so far of an app's output. It comes a moment later than what the app did before or after it. */
  log(app: string): string;
  /** Waits until the log of an app has the text. */
  logUntil(app: string, text: RegExp): Promise<void>;
  /** Ends the daemon and with it every app. @throws when an app wrote to stderr */
  close(): Promise<void>;
}

/** @param pm2Bin PM2's command line; default: the version that the project depends on */
export const openPm2Sandbox = (
  extraEnv: Readonly<Record<string, string>> = {},
  pm2Bin = PM2_7,
): Pm2Sandbox => {
  const folder = mkdtempSync(join(tmpdir(), 'sp-'));
  const config = join(folder, 'steadyport.json');
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    PM2_HOME: join(folder, 'pm2'),
    STEADYPORT_HOME: join(folder, 'home'),
    STEADYPORT_CONFIG: config,
    STEADYPORT_PROJECT: 'default',
    NO_COLOR: '1',
    ...extraEnv,
  };
  const run = (
    script: string,
    args: readonly string[],
    timeout = 120_000,
    variables: Readonly<Record<string, string>> = {},
  ): Promise<Outcome> =>
    new Promise((done) => {
      const finished = (error: ExecFileException | null, stdout: string, stderr: string): void =>
        done({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
      const options = { cwd: folder, env: { ...env, ...variables }, maxBuffer: 1e8, timeout };
      execFile(process.execPath, [script, ...args], options, finished);
    });
  const steadyport = (...args: string[]): Promise<Outcome> => run(join(ROOT, 'dist/cli.js'), args);
  const log = (app: string): string => readFileSync(join(folder, 'pm2', 'logs', `${app}-out.log`), 'utf8');
  const status = async (): Promise<Snapshot> =>
    JSON.parse((await steadyport('status', '--json')).stdout) as Snapshot;
  return {
    folder,
    env,
    configure: (proxies, monitor = {}, alerts = {}) =>
      writeFileSync(config, JSON.stringify({ proxies, monitor: { http: false, ...monitor }, alerts })),
    pm2: async (...args) => {
      const outcome = await run(pm2Bin, args);
      assert.equal(outcome.code, 0, `pm2 ${args.join(' ')}: ${outcome.stdout}${outcome.stderr}`);
      return outcome;
    },
    tryPm2: (...args) => run(pm2Bin, args),
    tryPm2With: (variables, ...args) => run(pm2Bin, args, undefined, variables),
    trigger: async (...action) => (await run(pm2Bin, ['trigger', 'proxy-monitor', ...action], 20_000)).stdout,
    steadyport,
    run: (script, ...args) => run(script, args),
    status,
    ...createMonitorClient(env.STEADYPORT_HOME),
    log,
    logUntil: async (app, text) => {
      await until(() => text.test(log(app)), `${text} in the log of ${app}`).catch((error: Error) => {
        throw new Error(`${error.message}:\n${log(app)}`, { cause: error });
      });
    },
    close: async () => {
      await endDaemon(env.PM2_HOME);
      const errors = readErrors(join(folder, 'pm2', 'logs'));
      // A monitor that a test has started by itself may still write there.
      rmSync(folder, { recursive: true, force: true, maxRetries: 100, retryDelay: 10 });
      assert.equal(errors, '', 'no app wrote to stderr');
    },
  };
};

/** Ends the daemon and its apps as `pm2 kill` does, without starting PM2's command line for it. */
const endDaemon = async (pm2Home: string): Promise<void> => {
  const pid = readInteger(join(pm2Home, 'pm2.pid'));
  if (pid === undefined || !isDaemon(pid, pm2Home)) return;
  process.kill(pid, 'SIGTERM');
  await until(() => !isAlive(pid), `the end of the daemon of ${pm2Home}`);
};

/** The title of a daemon names its PM2_HOME; another process may have the pid of one that was killed. */
const isDaemon = (pid: number, pm2Home: string): boolean => {
  if (!isAlive(pid)) return false;
  return !HAS_PROCFS || readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(pm2Home);
};

const readErrors = (logs: string): string =>
  existsSync(logs)
    ? readdirSync(logs)
        .filter((name) => name.endsWith('-error.log'))
        .map((name) => readFileSync(join(logs, name), 'utf8'))
        .join('')
    : '';

/**
 * Starts a small real HTTP upstream that answers 200 with its name.
 * @param port default: one that nobody else takes once the upstream is closed, so that it can be opened there again
 */
export const openUpstream = async (
  port?: number,
  host = '127.0.0.1',
): Promise<{ port: number; close(): Promise<void> }> => {
  const ownPort = port ?? (await freePort(host));
  const server: Server = createServer((_, response) => response.end('the upstream'));
  // Zero: idle connections are never closed, however long a busy machine takes.
  server.keepAliveTimeout = 0;
  // A test that fails before it closes it does not keep its process alive.
  server.unref();
  await new Promise<void>((done, fail) => server.once('error', fail).listen(ownPort, host, () => done()));
  return {
    port: ownPort,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
};
