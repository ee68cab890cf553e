import { type ChildProcess, type ExecFileException, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { createMonitorClient, type MonitorClient } from '../pm2/monitor-client.ts';
import type { Outcome } from '../pm2/pm2-sandbox.ts';
import { needs, needsProgram, needsRoot } from '../requirements.ts';
import { until } from '../until.ts';

const ROOT = process.cwd();
const NOBODY = 65_534;

export const needsSlimContainer = (): false | string =>
  needs(
    needsRoot(),
    ...['unshare', 'nsenter', 'setpriv'].map((name) => needsProgram(name, 'util-linux')),
    needsProgram('ip', 'iproute2'),
  );

/** The project as in a production image: built, without development dependencies, not writable by its user. */
export interface Image {
  readonly folder: string;
  remove(): void;
}

export const buildImage = (): Image => {
  const folder = mkdtempSync(join(tmpdir(), 'sp-'));
  chmodSync(folder, 0o755);
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>;
  };
  const isForProduction = (path: string): boolean => packages[relative(ROOT, path)]?.dev !== true;
  const shipped = ['package.json', 'package-lock.json', 'dist', 'ecosystem.config.js', 'node_modules'];
  for (const name of shipped)
    cpSync(join(ROOT, name), join(folder, 'app', name), { recursive: true, filter: isForProduction });
  mkdirSync(join(folder, 'bin'));
  for (const name of ['node', 'npm', 'sh']) symlinkSync(programOf(name), join(folder, 'bin', name));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
};

const programOf = (name: string): string => {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    try {
      return realpathSync(join(folder, name));
    } catch {
      // The program may be in the next folder.
    }
  }
  throw new Error(`no ${name} on the PATH`);
};

export interface ContainerProcess {
  readonly state: string;
  readonly parent: number;
  readonly uid: number;
}

/**
 * A slim container: a user without rights, no program on the PATH but node, npm and sh, NODE_ENV=production, and a
 * PID namespace whose PID 1 never waits for its children.
 */
export interface SlimContainer extends MonitorClient {
  readonly home: string;
  configure(proxies: readonly object[], monitor?: object): void;
  /** Starts PID 1. @param netns the name of the network namespace; default: the machine's */
  boot(command: readonly string[], netns?: string): Promise<void>;
  /** Runs a program in the project's folder. */
  run(...command: string[]): Promise<Outcome>;
  /**
   * Finds a process by its pid inside the container; `state` is as in proc_pid_stat(5).
   * @returns undefined when there is no such process
   */
  processOf(pid: number): ContainerProcess | undefined;
  /** Sends SIGKILL; resolves when the process is dead. */
  kill(pid: number): Promise<void>;
  /** Sends SIGTERM to PID 1, whose end ends the container; resolves with its exit code. */
  terminate(): Promise<number | null>;
  /** The output of PID 1 so far. */
  output(): string;
  close(): Promise<void>;
}

export const openSlimContainer = (image: Image): SlimContainer => {
  const home = mkdtempSync(join(image.folder, 'home-'));
  chownSync(home, NOBODY, NOBODY);
  const cwd = join(image.folder, 'app');
  const asNobody = (command: readonly string[]) => [...nobodyPrefix(image, home), ...command];
  let unshare: ChildProcess | undefined;
  let first = 0;
  let output = '';
  const run = (...command: string[]): Promise<Outcome> =>
    execute('nsenter', [
      `--target=${first}`,
      '--pid',
      '--mount',
      '--net',
      `--wd=${cwd}`,
      ...asNobody(command),
    ]);
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (!unshare || unshare.exitCode !== null || unshare.signalCode !== null) return null;
    const exit = once(unshare, 'exit');
    process.kill(first, signal);
    return ((await exit) as [number | null])[0];
  };
  return {
    home,
    configure: (proxies, monitor = {}) =>
      writeFileSync(configOf(home), JSON.stringify({ proxies, monitor: { http: false, ...monitor } })),
    boot: async (command, netns) => {
      const own = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', ...asNobody(command)];
      const [program = '', ...args] = [...(netns ? ['ip', 'netns', 'exec', netns] : []), ...own];
      const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
      unshare = child;
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => {
          output += text;
        });
      first = await onlyChild(child);
    },
    run,
    ...createMonitorClient(join(home, '.steadyport')),
    processOf: (pid) => processOf(first, pid),
    kill: async (pid) => {
      await run('sh', '-c', `kill -9 ${pid}`);
      await until(() => (processOf(first, pid)?.state ?? 'Z') === 'Z', `the end of process ${pid}`);
    },
    terminate: () => end('SIGTERM'),
    output: () => output,
    close: async () => {
      await end('SIGKILL');
      rmSync(home, { recursive: true, force: true });
    },
  };
};

const configOf = (home: string): string => join(home, 'steadyport.json');

/** The command prefix that runs a program without rights and with nothing of this environment. */
const nobodyPrefix = (image: Image, home: string): readonly string[] => [
  programOf('setpriv'),
  `--reuid=${NOBODY}`,
  `--regid=${NOBODY}`,
  '--clear-groups',
  '--inh-caps=-all',
  programOf('env'),
  '-i',
  `PATH=${join(image.folder, 'bin')}`,
  `HOME=${home}`,
  'NODE_ENV=production',
  `STEADYPORT_CONFIG=${configOf(home)}`,
  'STEADYPORT_PROJECT=default',
  'npm_config_update_notifier=false',
];

const execute = (program: string, args: readonly string[]): Promise<Outcome> =>
  new Promise((done) => {
    const finished = (error: ExecFileException | null, stdout: string, stderr: string): void =>
      done({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
    execFile(program, args, { timeout: 120_000 }, finished);
  });

/** Reads the /proc that the process `first` has. */
const processOf = (first: number, pid: number): ContainerProcess | undefined => {
  try {
    const read = (name: string): string => readFileSync(`/proc/${first}/root/proc/${pid}/${name}`, 'utf8');
    const stat = read('stat');
    const [state = '', parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state, parent: Number(parent), uid: Number(/^Uid:\s+(\d+)/m.exec(read('status'))?.[1]) };
  } catch {
    return undefined;
  }
};

/** Finds PID 1 of the container. @returns its pid outside */
const onlyChild = async (parent: ChildProcess): Promise<number> => {
  while (parent.exitCode === null) {
    const children = readFileSync(`/proc/${parent.pid}/task/${parent.pid}/children`, 'utf8').trim();
    if (children !== '') return Number(children);
    await new Promise((done) => setImmediate(done));
  }
  throw new Error('the container did not start');
};
