import { spawn } from 'node:child_process';

/**
 * Runs a program as the leader of a process group, the rest of which is killed when it ends.
 * @param limitMs a program that has not ended by then is killed
 * @returns its exit code, null after a signal, and what it wrote to stdout and stderr
 */
export const run = ([program, ...args], { cwd, env, limitMs }) =>
  new Promise((done, fail) => {
    const options = {
      cwd,
      env: { ...process.env, ...env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    };
    const child = spawn(program, args, options);
    const chunks = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk));
    const killAll = () => killGroup(child.pid);
    const limit = setTimeout(killAll, limitMs);
    process.on('exit', killAll);
    child.on('error', fail);
    child.on('exit', killAll);
    child.on('close', (code) => {
      clearTimeout(limit);
      process.off('exit', killAll);
      done({ code, output: Buffer.concat(chunks).toString() });
    });
  });

const killGroup = (pid) => {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has ended.
  }
};
