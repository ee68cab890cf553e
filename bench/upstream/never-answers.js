// An HTTP server that takes what it is sent and never answers, in a process of its own. Led by messages.
import { createServer } from 'node:http';
import { answer } from '../led.js';

let count = 0;

answer({
  open: ({ port }) =>
    new Promise((done, fail) => {
      const server = createServer((request) => {
        count += 1;
        request.resume();
      });
      server.once('error', fail).listen(port, '127.0.0.1', () => done());
    }),
  /** @returns how many requests have come so far */
  count: () => count,
});
