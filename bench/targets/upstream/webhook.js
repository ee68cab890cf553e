// A worker with an HTTP server that takes every request, and answers at once or not at all.
import { createServer } from 'node:http';
import { serveCommands } from '../../lib/ipc-worker.js';

let isHung = false;
let count = 0;
let waiting = [];

const done = (response) => response.writeHead(204).end();

serveCommands({
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
  /** Answers again, also the requests that still wait. */
  speak: () => {
    isHung = false;
    for (const response of waiting) done(response);
    waiting = [];
  },
  /** @returns the number of requests so far */
  count: () => count,
});
