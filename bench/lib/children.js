// Child processes; whatever was started here can be stopped here.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startHelper } from '../chaos/worker.js';

/** What runs: `kill()`, and `gone`, a promise. */
const running = new Set();

/** A program in a process group of its own, until `stop()`; its output goes to a file of the folder. */
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
  server.kill = () => killGroup(child.pid);
  if (child.pid !== undefined) running.add(server);
  return server;
};

/** @returns what the program wrote to stdout; an exit code other than 0 is an error */
export const runTool = ([program, ...args]) =>
  new Promise((done, fail) => {
    const child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const gone = new Promise((end) => child.once('exit', end));
    const tool = { kill: () => killGroup(child.pid), gone };
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

/** A program of ours that is led by messages: `ask(order, rest)`. @param file its URL */
export const launchHelper = (file) => {
  const helper = startHelper(file);
  const one = { kill: helper.end, gone: helper.gone };
  running.add(one);
  helper.gone.then(() => running.delete(one));
  return helper;
};

/** What is to be killed with all that runs here, although it is no child; once. */
export const alongWith = (kill) => {
  const one = { gone: Promise.resolve(), kill: () => running.delete(one) && kill() };
  running.add(one);
};

export const stop = async (server) => {
  server.kill();
  await server.gone;
};

export const killAll = () => {
  for (const one of running) one.kill();
};

export const stopAll = async () => {
  const gone = [...running].map((one) => one.gone);
  killAll();
  await Promise.all(gone);
};

const killGroup = (pid) => {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended just now.
  }
};

/** In one line. */
const tail = (text) => text.trim().slice(-400).replaceAll(/\s+/g, ' ') || 'no output';
