// Loaded into the proxies of the chaos run before their own code. Orders are words in files of
// $STEADYPORT_HOME/../orders: <app> is obeyed at SIGUSR2, <app>.start at each start.
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';

const BLOCK_MS = 120_000;
/** The delay after "ready", by which the process has served. */
const BLOCK_AGAIN_AFTER_MS = 200;

const { STEADYPORT_HOME = '', name = '' } = process.env;
const servers = new Set();

const orderOf = (file) => {
  try {
    return readFileSync(join(STEADYPORT_HOME, '..', 'orders', file), 'utf8');
  } catch {
    return '';
  }
};

const ORDERS = {
  /** Blocks the main thread in a wait: the process sleeps. */
  block: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCK_MS),
  /** Blocks the main thread by work: the process uses CPU. */
  spin: () => {
    for (const end = Date.now() + BLOCK_MS; Date.now() < end; );
  },
  /** Ignores the connections that the kernel has accepted. Sockets that listen later are not affected. */
  mute: () => {
    for (const server of servers)
      if (typeof server.address() === 'object' && server._handle) {
        const waiting = [];
        server._handle.onconnection = (_, handle) => waiting.push(handle);
        // The kernel resets connections that no process has accepted when their listening socket closes.
        server.once('close', () => {
          for (const handle of waiting) handle.reset(() => {});
        });
      }
  },
};

const { listen } = net.Server.prototype;
net.Server.prototype.listen = function (...args) {
  servers.add(this);
  this.once('close', () => servers.delete(this));
  return listen.apply(this, args);
};

process.on('SIGUSR2', () => ORDERS[orderOf(name)]?.());

// The data path's thread reads the time at each turn of its loop: a place to block it.
if (!isMainThread) {
  const now = performance.now.bind(performance);
  performance.now = () => {
    if (orderOf(name) === `stick ${process.pid}`) ORDERS.block();
    return now();
  };
}

const atStart = orderOf(`${name}.start`);
if (atStart === 'exit') process.exit(1);
if (atStart === 'block') {
  const { send } = process;
  process.send = (message, ...rest) => {
    if (message === 'ready') setTimeout(ORDERS.block, BLOCK_AGAIN_AFTER_MS);
    return send.call(process, message, ...rest);
  };
}
