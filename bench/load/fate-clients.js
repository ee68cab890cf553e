// A worker whose clients each have a fate of their own.
import { connect } from 'node:net';
import { serveCommands } from '../lib/ipc-worker.js';
import { meetFate } from './fates.js';

const AT_ONCE = 200;
/** Longer than a proxy holds a client for an upstream that is away. */
const TIMEOUT_MS = 60_000;

/** @returns the error or the end that the client saw */
const live = (port) =>
  new Promise((done) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    let saw = 'no end';
    const timeout = setTimeout(() => {
      saw = `${saw} in ${TIMEOUT_MS / 1_000} s (${describe(fate)}, port ${socket.localPort})`;
      socket.destroy();
    }, TIMEOUT_MS);
    socket.on('end', () => {
      saw = 'end';
    });
    socket.on('error', ({ code }) => {
      saw = code;
    });
    socket.on('close', () => {
      clearTimeout(timeout);
      done(saw);
    });
    const fate = meetFate(socket);
  });

const describe = ({ reads, writes, leaves, by }) =>
  `${reads ? 'reads' : 'reads nothing'}, writes ${writes}, leaves ${leaves} by ${by}`;

/** @returns the count of each thing that the clients saw */
const run = async ({ port, count }) => {
  const counts = {};
  let begun = 0;
  const liveInTurn = async () => {
    while (begun < count) {
      begun += 1;
      const saw = await live(port);
      counts[saw] = (counts[saw] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, liveInTurn));
  return counts;
};

serveCommands({ run });
