// Child processes, each in a process group of its own, and what /proc says of them.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** USER_HZ, which /proc counts in, is 100 on every Linux of today (proc_pid_stat(5)). */
const TICKS_A_SECOND = 100;
/** Nobody at the other end, and TCP_LISTEN of include/net/tcp_states.h. */
const LISTENER = '00000000:0000 0A';
const PATIENCE_MS = 15_000;
/** Below what Linux hands out (32768 to 60999): a free port stays free, and no end connects to itself. */
const PORTS = { first: 12_000, count: 8_000 };

const running = new Set();

/** A program that goes on until `stopAll()`; its output goes to a file of the folder. */
export const launch = ([program, ...args], { folder, listen }) => {
  const logPath = join(folder, `${listen}.log`);
  const log = openSync(logPath, 'a');
  const env = { ...process.env, STEADYPORT_HOME: join(folder, 'home') };
  const spawnedAt = performance.now();
  const child = spawn(program, args, { detached: true, stdio: ['ignore', log, log], env });
  closeSync(log);
  const server = { pid: child.pid, port: listen, spawnedAt, ended: undefined, logPath };
  server.gone = new Promise((done) => {
    const onEnd = (how) => {
      running.delete(server);
      server.ended = `${program} ended (${how}): ${tail(readFileSync(logPath, 'utf8'))}`;
      done();
    };
    child.once('exit', (code, signal) => onEnd(signal ?? code)).once('error', (error) => onEnd(error.code));
  });
  if (child.pid !== undefined) running.add(server);
  return server;
};

export const waitForPort = async (server) => {
  for (const giveUpAt = Date.now() + PATIENCE_MS; !isListening(server.port); await sleep(10)) {
    if (server.ended) throw new Error(server.ended);
    if (Date.now() > giveUpAt)
      throw new Error(`nothing listens on port ${server.port} after ${PATIENCE_MS / 1000} s`);
  }
};

/** @returns what the program wrote to stdout; an exit code other than 0 is an error */
export const runTool = ([program, ...args]) =>
  new Promise((done, fail) => {
    const child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const tool = { pid: child.pid, gone: new Promise((gone) => child.once('exit', gone)) };
    if (child.pid !== undefined) running.add(tool);
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    child.once('error', fail);
    child.once('close', (code, signal) => {
      running.delete(tool);
      if (code === 0) done(stdout);
      else fail(new Error(`${program} ended (${signal ?? code}): ${tail(stderr || stdout)}`));
    });
  });

/** Kills every process group that was started here. */
export const killAll = () => {
  for (const { pid } of running) {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It ended just now.
    }
  }
};

export const stopAll = async () => {
  const gone = [...running].map((one) => one.gone);
  killAll();
  await Promise.all(gone);
};

/** CPU seconds so far, user and system, of the process group and of its children that have ended. */
export const cpuSeconds = ({ pid }) => {
  const ticks = groupOf(pid).flatMap(({ fields }) => fields.slice(11, 15).map(Number));
  return ticks.reduce((sum, one) => sum + one, 0) / TICKS_A_SECOND;
};

/** RSS of one process; of several, that share memory, the sum of their PSS. */
export const residentBytes = ({ pid }) => {
  const group = groupOf(pid);
  if (group.length === 1) return memoryOf(pid, 'status', 'VmRSS');
  return group.reduce((sum, process) => sum + memoryOf(process.pid, 'smaps_rollup', 'Pss'), 0);
};

/** PSS without what is mapped from files: the share of that changes with each other process that starts. */
export const ownBytes = ({ pid }) =>
  groupOf(pid).reduce(
    (sum, process) =>
      sum + memoryOf(process.pid, 'smaps_rollup', 'Pss') - memoryOf(process.pid, 'smaps_rollup', 'Pss_File'),
    0,
  );

export const freePort = async () => {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    if (await isFree(port)) return port;
  }
};

const isFree = (port) =>
  new Promise((done) => {
    const server = createServer()
      .once('error', () => done(false))
      .listen(port, '127.0.0.1', () => server.close(() => done(true)));
  });

/** The table begins with the listeners; what may follow is tens of thousands of connections. */
const isListening = (port) => {
  const wanted = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')} ${LISTENER}`;
  const page = Buffer.alloc(4_096);
  const table = openSync('/proc/net/tcp');
  try {
    for (;;) {
      const text = page.toString('latin1', 0, readSync(table, page));
      if (text.includes(wanted)) return true;
      if (!text.includes(LISTENER)) return false;
    }
  } finally {
    closeSync(table);
  }
};

/** The processes of the group, with the fields of proc_pid_stat(5) from the third on. */
const groupOf = (group) =>
  readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    const stat = read(`/proc/${entry}/stat`);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[2]) === group ? [{ pid: Number(entry), fields }] : [];
  });

const memoryOf = (pid, file, key) => {
  const kilobytes = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(read(`/proc/${pid}/${file}`))?.[1];
  return Number(kilobytes ?? 0) * 1024;
};

const read = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** In one line. */
const tail = (text) => text.trim().slice(-400).replaceAll(/\s+/g, ' ') || 'no output';
