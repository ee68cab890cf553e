// A worker with the clients: new connections at a steady rate, each with one request and its answer, and some held
// connections with a request every PING_MS.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { serveCommands } from '../../lib/ipc-worker.js';

const REQUEST = 'GET / HTTP/1.1\r\nHost: chaos\r\n';
const PING_MS = 1_000;
const TIMEOUT_MS = 5_000;

let results = [];
let held = [];
let flooding = [];
let timer;
let ports = [];
let pending = 0;

/** @param end called once, with the outcome: 'ok', 'refused', 'reset' or 'timed out' */
const attempt = (port, end) => {
  const socket = connect({ port, host: '127.0.0.1' });
  const startedAt = Date.now();
  let answer = '';
  let hasEnded = false;
  pending += 1;
  const settle = (outcome) => {
    if (hasEnded) return;
    hasEnded = true;
    clearTimeout(timeout);
    socket.destroy();
    pending -= 1;
    end({ port, startedAt, endedAt: Date.now(), outcome });
  };
  const timeout = setTimeout(() => settle('timed out'), TIMEOUT_MS);
  socket.on('connect', () => socket.write(`${REQUEST}Connection: close\r\n\r\n`));
  socket.on('data', (text) => {
    answer += text;
  });
  socket.on('error', ({ code }) => settle(code === 'ECONNREFUSED' ? 'refused' : 'reset'));
  socket.on('close', () => settle(answer.startsWith('HTTP/1.1 200') ? 'ok' : 'reset'));
};

const hold = (port) => {
  const socket = connect({ port, host: '127.0.0.1' });
  const client = { port, lostAt: undefined };
  const lose = () => {
    clearInterval(ping);
    client.lostAt ??= Date.now();
  };
  const ping = setInterval(() => socket.write(`${REQUEST}\r\n`), PING_MS);
  socket.on('error', lose).on('close', lose).resume();
  socket.write(`${REQUEST}\r\n`);
  client.release = () => {
    socket
      .off('error', lose)
      .off('close', lose)
      .on('error', () => {});
    clearInterval(ping);
    socket.destroy();
  };
  return client;
};

serveCommands({
  start: ({ ports: targetPorts, rate, count }) => {
    results = [];
    ports = targetPorts;
    held = Array.from({ length: count }, (_, index) => hold(ports[index % ports.length]));
    const startedAt = performance.now();
    let made = 0;
    timer = setInterval(() => {
      for (const due = ((performance.now() - startedAt) / 1_000) * rate; made < due; made += 1)
        attempt(ports[made % ports.length], (result) => results.push(result));
    }, 5);
  },
  /** @returns whether each port has answered a client that connected within the last `windowMs` */
  isServed: ({ windowMs }) => {
    const since = Date.now() - windowMs;
    const served = new Set(
      results
        .filter((result) => result.outcome === 'ok' && result.startedAt >= since)
        .map(({ port }) => port),
    );
    return ports.every((port) => served.has(port));
  },
  /** Opens connections at once that stay open. Their outcome is not counted. */
  flood: ({ port, count }) => {
    flooding = Array.from({ length: count }, () => hold(port));
  },
  endFlood: () => {
    for (const client of flooding) client.release();
    flooding = [];
  },
  /** Waits for the pending attempts. @returns the results, and the held connections that were lost */
  stop: async () => {
    clearInterval(timer);
    while (pending > 0) await sleep(20);
    const lost = held.filter(({ lostAt }) => lostAt).map(({ port, lostAt }) => ({ port, lostAt }));
    for (const client of held) client.release();
    return { results, lost };
  },
});
