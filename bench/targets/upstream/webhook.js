// An HTTP server that takes what it is sent, and answers at once or not at all, in a process of its own. Led by messages.
import { createServer } from 'node:http';
import { answer } from '../../lib/ipc-worker.js';

let isHung = false;
let count = 0;
let waiting = [];

const done = (response) => response.writeHead(204).end();

answer({
  open: ({ port }) =>
    new Promise((opened, fail) => {
      const server = createServer((request, response) => {
        count += 1;
        request.resume();
        if (isHung) waiting.push(response);
        else done(response);
      });
      server.once('error', fail).listen(port, '127.0.0.1', () => opened());
    }),
  hang: () => {
    isHung = true;
  },
  /** Whoever still waits is answered. */
  speak: () => {
    isHung = false;
    for (const response of waiting) done(response);
    waiting = [];
  },
  /** @returns how many requests have come so far */
  count: () => count,
});
