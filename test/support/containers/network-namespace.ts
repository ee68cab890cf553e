import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { until } from '../until.ts';

/** A network namespace: for TCP, a machine of its own. */
export interface Host {
  readonly name: string;
  /** Starts a program in the namespace, as the leader of a process group of its own. */
  start(program: string, args: readonly string[], env?: Readonly<Record<string, string>>): Program;
  /** Whether a TCP connection created in the namespace is accepted. It closes at once. */
  connects(host: string, port: number): boolean;
  /** Kills every process in the namespace and removes it. Safe to call twice. */
  remove(): void;
}

export interface Program {
  readonly pid: number;
  /** The last 4000 characters of stdout and stderr, for the message of a failed test. */
  output(): string;
  /** SIGTERM to the process group, SIGKILL after 5000 ms; resolves when that is done. */
  stop(): Promise<void>;
}

/** The addresses by which `outside` reaches `inside`. */
export interface Addresses {
  readonly ipv4: string;
  readonly ipv6: string;
}

const names = new Set<string>();
let created = 0;

/** @param label a few letters of the name, which carries this process's pid too */
export const createHost = (label: string): Host => {
  const name = `sp-${label}-${process.pid}-${++created}`;
  if (created === 1) removeAllOnExit();
  names.add(name);
  ip('netns', 'add', name);
  ip('-n', name, 'link', 'set', 'lo', 'up');
  const inside = (program: string, args: readonly string[]) => ['netns', 'exec', name, program, ...args];
  return {
    name,
    start: (program, args, env = {}) =>
      programOf(spawn('ip', inside(program, args), { detached: true, env: { ...process.env, ...env } })),
    connects: (host, port) => {
      const script = `exec 3<>/dev/tcp/${host}/${port}`;
      // With a socket as its stdin, bash takes itself for started by rshd and reads ~/.bashrc first (bash(1), INVOCATION).
      return (
        spawnSync('ip', inside('bash', ['--norc', '-c', script]), { timeout: 10_000, stdio: 'ignore' })
          .status === 0
      );
    },
    remove: () => removeNamespace(name),
  };
};

/** Joins two hosts by a veth pair: 10.77.<subnet>.0/24 and fd00:77:<subnet>::/64, `inside` is number 2. */
export const join = (inside: Host, outside: Host, subnet: number): Addresses => {
  const device = `veth${subnet}`;
  ip('-n', inside.name, 'link', 'add', device, 'type', 'veth', 'peer', 'name', device, 'netns', outside.name);
  for (const [host, number] of [[inside, 2] as const, [outside, 1] as const]) {
    ip('-n', host.name, 'addr', 'add', `10.77.${subnet}.${number}/24`, 'dev', device);
    // Without nodad an IPv6 address stays tentative, that is unusable, for a second or two.
    ip('-n', host.name, 'addr', 'add', `fd00:77:${subnet}::${number}/64`, 'dev', device, 'nodad');
    ip('-n', host.name, 'link', 'set', device, 'up');
  }
  return { ipv4: `10.77.${subnet}.2`, ipv6: `fd00:77:${subnet}::2` };
};

const ip = (...args: readonly string[]): string => execFileSync('ip', args, { encoding: 'utf8' });

const programOf = (child: ChildProcess): Program => {
  const { pid } = child;
  if (pid === undefined) throw new Error('ip did not start');
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-4000);
    });
  }
  return { pid, output: () => output, stop: () => stopGroup(pid) };
};

const stopGroup = async (pid: number): Promise<void> => {
  signal(-pid, 'SIGTERM');
  const gone = until(() => !signal(-pid, 0), 'the end of a process group', 5000);
  await gone.catch(() => signal(-pid, 'SIGKILL'));
};

/** @returns whether there was a process to signal */
const signal = (pid: number, name: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
};

/** Removes the namespaces also when the test fails or is ended by a signal. */
const removeAllOnExit = (): void => {
  process.on('exit', () => names.forEach(removeNamespace));
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => process.exit(1));
};

const removeNamespace = (name: string): void => {
  if (!names.delete(name)) return;
  const pids = () =>
    spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).stdout.match(/\d+/g) ?? [];
  for (let left = pids(), tries = 0; left.length > 0 && tries < 100; left = pids(), tries += 1) {
    for (const pid of left) signal(Number(pid), 'SIGKILL');
  }
  spawnSync('ip', ['netns', 'del', name]);
};
