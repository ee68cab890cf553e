// A worker: a child process that runs commands, sent to it as messages {id, command, …}, and answers each with
// {id, value} or {id, error}. Both ends are here.
import { spawn } from 'node:child_process';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Starts a worker.
 * @param url its file
 * @param prefix the program that starts it with its arguments, such as `ip netns exec NAME`
 */
export const startWorker = (url, prefix = []) => {
  const file = fileURLToPath(url);
  const [program, ...args] = [...prefix, process.execPath, file];
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const name = basename(file);
  const pending = new Map();
  let lastId = 0;
  child.on('message', ({ id, value, error }) => {
    const { done, fail } = pending.get(id) ?? {};
    pending.delete(id);
    if (error) fail?.(new Error(`${name}: ${error}`));
    else done?.(value);
  });
  child.on('exit', () => {
    for (const { fail } of pending.values()) fail(new Error(`${name} has ended`));
  });
  return {
    pid: child.pid,
    gone: new Promise((done) => child.once('exit', done)),
    call: (command, args = {}) =>
      new Promise((done, fail) => {
        lastId += 1;
        pending.set(lastId, { done, fail });
        child.send({ ...args, id: lastId, command });
      }),
    end: () => child.kill('SIGKILL'),
  };
};

/** Runs in the worker: answers each message by the command of its name, and exits with the parent process. */
export const serveCommands = (commands) => {
  process.on('message', async ({ id, command, ...args }) => {
    try {
      process.send({ id, value: await commands[command](args) });
    } catch (error) {
      process.send({ id, error: error.message });
    }
  });
  process.on('disconnect', () => process.exit());
};
