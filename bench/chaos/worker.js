// A child process that is led by messages.
import { spawn } from 'node:child_process';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * @param file beside this one, or a URL
 * @param prefix what the program is started by, such as `ip netns exec NAME`
 */
export const startHelper = (file, prefix = []) => {
  const [program, ...args] = [...prefix, process.execPath, fileURLToPath(new URL(file, import.meta.url))];
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const name = basename(String(file));
  const waiting = new Map();
  let last = 0;
  child.on('message', ({ id, value, error }) => {
    const { done, fail } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (error) fail?.(new Error(`${name}: ${error}`));
    else done?.(value);
  });
  child.on('exit', () => {
    for (const { fail } of waiting.values()) fail(new Error(`${name} has ended`));
  });
  return {
    pid: child.pid,
    gone: new Promise((done) => child.once('exit', done)),
    ask: (order, rest = {}) =>
      new Promise((done, fail) => {
        last += 1;
        waiting.set(last, { done, fail });
        child.send({ ...rest, id: last, order });
      }),
    end: () => child.kill('SIGKILL'),
  };
};
