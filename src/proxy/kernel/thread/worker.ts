import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { errorName } from '../../../libc/errno.ts';
import { EPOLLIN, loadLibc } from '../../../libc/libc.ts';
import { createDataPath } from '../data-path.ts';
import type { Command, Report, Start } from './channel.ts';
import { Cells } from './shared-counters.ts';

/** The thread of the data path: it never returns to Node.js's own loop until it is to end. */
const run = (port: NonNullable<typeof parentPort>): void => {
  const start = workerData as Start;
  const cells = new Cells(start.cells);
  const libc = loadLibc();
  const path = createDataPath(start, cells, libc, (report) => port.postMessage(report));
  const wake = libc.eventfd();
  if (wake < 0) throw new Error(`eventfd: ${errorName(-wake)}`);
  let seen = 0;
  const receive = (): void => {
    if (cells.isStopped) path.loop.isStopped = true;
    if (cells.commands === seen) return;
    seen = cells.commands;
    for (let message = receiveMessageOnPort(port); message; message = receiveMessageOnPort(port))
      path.receive(message.message as Command);
    cells.setHandled(seen);
  };
  const counter = libc.memory(8);
  path.loop.watch(wake, EPOLLIN, {
    onEvents: () => {
      libc.read(wake, counter, 8);
      // A command that came since the turn began has had its wake read just now.
      receive();
    },
  });
  port.postMessage({ kind: 'ready', wake } satisfies Report);
  try {
    receive();
    path.loop.run(receive, path.onTurn);
  } finally {
    cells.setEnded();
  }
};

if (parentPort) run(parentPort);
