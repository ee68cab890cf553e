import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ConnectionRecord } from '../../../src/proxy/engine.ts';
import type { EngineChoice } from '../../../src/proxy/select-engine.ts';
import { freePort } from '../proxy/proxy-harness.ts';
import { until } from '../until.ts';

/** Long enough for a busy machine. */
const LIMIT_MS = 120_000;

/**
 * The user of servers that refuse to run as root, or that need more of the system as root: Debian's "daemon".
 * "nobody" does not work: sshd takes systemd's record of it for a locked account.
 */
export const DAEMON: { readonly name: string; readonly ids: Ids } =
  process.getuid?.() === 0
    ? { name: 'daemon', ids: { uid: 1, gid: 1 } }
    : { name: userInfo().username, ids: {} };

interface Ids {
  readonly uid?: number;
  readonly gid?: number;
}

/** One test's folder and programs. All of them are gone when the test ends, also when it fails. */
export interface Stage {
  /** The working directory of every program. It belongs to {@link DAEMON}. */
  readonly folder: string;
  /** Starts a server; resolves once it printed `ready`. */
  serve(program: string, args: readonly string[], ready: RegExp, ids?: Ids): Promise<void>;
  /** Resolves with what the program wrote to stdout; rejects when it did not exit with 0. */
  run(program: string, args: readonly string[], options?: RunOptions): Promise<string>;
  /** `steadyport proxy` in the foreground with the defaults; resolves when it listens. */
  proxy(upstreamPort: number, engine?: EngineChoice): Promise<Proxy>;
}

export interface RunOptions {
  readonly input?: string;
  readonly ids?: Ids;
}

export interface Proxy {
  readonly port: number;
  /**
   * Ends the proxy and resolves with the connections that it logged, in the order of their endings. Rejects
   * unless it was still running, had no connection left, wrote no error and exits with 0.
   */
  end(): Promise<readonly ConnectionRecord[]>;
}

export const openStage = (t: TestContext): Stage => {
  const folder = mkdtempSync(join(tmpdir(), 'sp-'));
  const { uid, gid } = DAEMON.ids;
  if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid);
  const servers: Server[] = [];
  const clients = new Set<ChildProcess>();
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder, NO_COLOR: '1', LOG_FORMAT: 'json' };

  /** Cleans up without waiting, since a process that exits cannot wait. */
  const killAll = (): void => {
    for (const child of [...clients, ...servers.map((server) => server.child)]) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  process.on('exit', killAll);
  t.after(async () => {
    // A server may wait for its clients, which connect through the proxy: clients end first, then servers in reverse order.
    for (const child of clients) child.kill('SIGKILL');
    for (const { child } of servers.reverse()) await stop(child);
    killAll();
    process.off('exit', killAll);
  });

  const start = (program: string, args: readonly string[], ids: Ids = {}) => {
    const child = spawn(program, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'], ...ids });
    const output = { stdout: '', stderr: '' };
    servers.push({ child, output });
    child.on('error', ({ message }) => {
      output.stderr += message;
    });
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
      });
    const prints = async (ready: RegExp): Promise<void> => {
      const printed = () => ready.test(output.stdout) || ready.test(output.stderr);
      await until(() => hasEnded(child) || printed(), `${program} prints ${ready}`);
      assert.ok(printed(), `it ended: ${lastOutput({ child, output })}`);
    };
    return { child, output, prints };
  };

  return {
    folder,
    serve: (program, args, ready, ids) => start(program, args, ids).prints(ready),
    run: (program, args, { input = '', ids = {} } = {}) =>
      new Promise((done, fail) => {
        const options = { cwd: folder, env, timeout: LIMIT_MS, maxBuffer: 2 ** 28, ...ids };
        const child = execFile(program, args, options, (error, stdout) => {
          clients.delete(child);
          if (error === null) done(stdout);
          else fail(new Error([error.message, stdout.slice(-4000), ...servers.map(lastOutput)].join('\n')));
        });
        clients.add(child);
        child.stdin?.on('error', () => {}).end(input);
      }),
    proxy: async (upstreamPort, engine = 'auto') => {
      const port = await freePort();
      const listen = `127.0.0.1:${port}`;
      const cli = join(process.cwd(), 'dist/cli.js');
      const command = [cli, 'proxy', listen, '127.0.0.1', `${upstreamPort}`, '--engine', engine];
      const { child, output, prints } = start(process.execPath, command);
      await prints(new RegExp(`listening on ${listen}`));
      return { port, end: () => endProxy({ child, output }) };
    },
  };
};

interface Server {
  readonly child: ChildProcess;
  readonly output: { readonly stdout: string; readonly stderr: string };
}

export const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

type Logged = ConnectionRecord & { readonly event: string };

const endProxy = async (proxy: Server): Promise<readonly ConnectionRecord[]> => {
  const { child, output } = proxy;
  const connections = (): Logged[] =>
    output.stdout
      .split(/(?<=\n)/)
      .filter((line) => line.endsWith('\n'))
      .map((line) => JSON.parse(line) as Logged)
      .filter(({ event }) => event === 'connection');
  const idle = (): boolean => hasEnded(child) || connections().at(-1)?.active === 0;
  await until(idle, 'no connection is open').catch((cause) => assert.fail(`${cause}\n${lastOutput(proxy)}`));
  assert.equal(hasEnded(child), false, lastOutput(proxy));
  child.kill('SIGTERM');
  const [code] = await once(child, 'close');
  assert.equal(code, 0, lastOutput(proxy));
  assert.equal(output.stderr, '');
  const left = connections().filter(({ reason }) => reason === 'drained');
  assert.deepEqual(left, [], 'no connection was left for the end');
  return connections();
};

const lastOutput = ({ child, output }: Server): string =>
  `${child.spawnargs.join(' ')}:\n${output.stdout.slice(-4000)}${output.stderr.slice(-4000)}`;

const hasEnded = ({ pid, exitCode, signalCode }: ChildProcess): boolean =>
  pid === undefined || exitCode !== null || signalCode !== null;

/** SIGTERM, and SIGKILL after 5000 ms. */
const stop = async (child: ChildProcess): Promise<void> => {
  if (hasEnded(child)) return;
  child.kill('SIGTERM');
  await until(() => hasEnded(child), 'the end of the program', 5000).catch(() => child.kill('SIGKILL'));
};

/** A signal ends the test file through process.exit, which runs the 'exit' listeners. */
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
