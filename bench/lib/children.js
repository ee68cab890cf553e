// Child processes: what was started here can be stopped here.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startWorker } from './ipc-worker.js';

/** Entries with `kill()` and `gone`, a promise. */
const running = new Set();

/** Starts a program in a process group of its own, until `stop()`. Its output goes to a file of the folder. */
export const launch = ([program, ...args], { folder, listen }) => {
  const logPath = join(folder, `${listen}.log`);
  const log = openSync(logPath, 'a');
  const env = { ...process.env, STEADYPORT_HOME: join(folder, 'home') };
  const spawnedAt = performance.now();
  const child = spawn(program, args, { detached: true, stdio: ['ignore', log, log], env });
  closeSync(log);
  const server = { pid: child.pid, port: listen, spawnedAt, ended: undefined, logPath };
  server.gone = new Promise((done) => {
    const onEnd = (reason) => {
      running.delete(server);
      server.ended = `${program} ended (${reason}): ${tail(readFileSync(logPath, 'utf8'))}`;
      done();
    };
    child.once('exit', (code, signal) => onEnd(signal ?? code)).once('error', (error) => onEnd(error.code));
  });
  server.kill = () => killGroup(child.pid);
  if (child.pid !== undefined) running.add(server);
  return server;
};

/** Runs a program to its end. @returns its stdout @throws when its exit code is not 0 */
export const runTool = ([program, ...args]) =>
  new Promise((done, fail) => {
    const child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const gone = new Promise((end) => child.once('exit', end));
    const tool = { kill: () => killGroup(child.pid), gone };
    if (child.pid !== undefined) running.add(tool);
    let stdout = '';
    let stderr = '';
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

/** Starts a worker that is stopped with all other children. @param url its file */
export const launchWorker = (url) => {
  const worker = startWorker(url);
  const entry = { kill: worker.end, gone: worker.gone };
  running.add(entry);
  worker.gone.then(() => running.delete(entry));
  return worker;
};

/** Registers `kill`, for processes that are no children: it runs once, with the end of all children. */
export const killWithChildren = (kill) => {
  const entry = { gone: Promise.resolve(), kill: () => running.delete(entry) && kill() };
  running.add(entry);
};

export const stop = async (server) => {
  server.kill();
  await server.gone;
};

export const killAll = () => {
  for (const child of running) child.kill();
};

export const stopAll = async () => {
  const gone = [...running].map((child) => child.gone);
  killAll();
  await Promise.all(gone);
};

const killGroup = (pid) => {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has ended meanwhile.
  }
};

/** @returns the last 400 characters in one line */
const tail = (text) => text.trim().slice(-400).replaceAll(/\s+/g, ' ') || 'no output';
