// The clients, in a process of their own: new connections at a steady rate, each with one request and its
// answer, and some that are held, with a request now and then. Led by messages {id, order, …}.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const REQUEST = 'GET / HTTP/1.1\r\nHost: chaos\r\n';
const PING_MS = 1_000;
const PATIENCE_MS = 5_000;

let results = [];
let held = [];
let flooding = [];
let timer;
let ports = [];
let underway = 0;

/** @param end called with 'ok', 'refused', 'reset' or 'timed out', once */
const attempt = (port, end) => {
  const socket = connect({ port, host: '127.0.0.1' });
  const startMs = Date.now();
  let answer = '';
  let isOver = false;
  underway += 1;
  const settle = (outcome) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(late);
    socket.destroy();
    underway -= 1;
    end({ port, startMs, endMs: Date.now(), outcome });
  };
  const late = setTimeout(() => settle('timed out'), PATIENCE_MS);
  socket.on('connect', () => socket.write(`${REQUEST}Connection: close\r\n\r\n`));
  socket.on('data', (text) => {
    answer += text;
  });
  socket.on('error', ({ code }) => settle(code === 'ECONNREFUSED' ? 'refused' : 'reset'));
  socket.on('close', () => settle(answer.startsWith('HTTP/1.1 200') ? 'ok' : 'reset'));
};

const hold = (port) => {
  const socket = connect({ port, host: '127.0.0.1' });
  const one = { port, lostMs: undefined };
  const lose = () => {
    clearInterval(ping);
    one.lostMs ??= Date.now();
  };
  const ping = setInterval(() => socket.write(`${REQUEST}\r\n`), PING_MS);
  socket.on('error', lose).on('close', lose).resume();
  socket.write(`${REQUEST}\r\n`);
  one.release = () => {
    socket
      .off('error', lose)
      .off('close', lose)
      .on('error', () => {});
    clearInterval(ping);
    socket.destroy();
  };
  return one;
};

const ORDERS = {
  start: ({ ports: wanted, rate, count }) => {
    results = [];
    ports = wanted;
    held = Array.from({ length: count }, (_, index) => hold(ports[index % ports.length]));
    const startedAt = performance.now();
    let made = 0;
    timer = setInterval(() => {
      for (const due = ((performance.now() - startedAt) / 1_000) * rate; made < due; made += 1)
        attempt(ports[made % ports.length], (result) => results.push(result));
    }, 5);
  },
  /** Whether each port has answered somebody who came within the last `windowMs`. */
  isServed: ({ windowMs }) => {
    const sinceMs = Date.now() - windowMs;
    const served = new Set(
      results.filter((one) => one.outcome === 'ok' && one.startMs >= sinceMs).map(({ port }) => port),
    );
    return ports.every((port) => served.has(port));
  },
  /** Clients that come at once and stay; what becomes of them is not counted. */
  flood: ({ port, count }) => {
    flooding = Array.from({ length: count }, () => hold(port));
  },
  ebb: () => {
    for (const one of flooding) one.release();
    flooding = [];
  },
  /** Whoever still waits is waited for. */
  stop: async () => {
    clearInterval(timer);
    while (underway > 0) await sleep(20);
    const lost = held.filter(({ lostMs }) => lostMs).map(({ port, lostMs }) => ({ port, lostMs }));
    for (const one of held) one.release();
    return { results, lost };
  },
};

process.on('message', async (message) => {
  process.send({ id: message.id, value: await ORDERS[message.order](message) });
});
process.on('disconnect', () => process.exit());
