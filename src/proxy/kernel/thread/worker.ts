import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { errorName } from '../../../libc/errno.ts';
import { EPOLLIN, loadLibc } from '../../../libc/libc.ts';
import { createDataPath } from '../data-path.ts';
import type { Command, ThreadEvent, ThreadOptions } from './channel.ts';
import { SharedCounters } from './shared-counters.ts';

/** The thread of the data path. It runs the epoll loop and returns to Node.js's own loop only when it ends. */
const run = (parent: NonNullable<typeof parentPort>): void => {
  const options = workerData as ThreadOptions;
  const counters = new SharedCounters(options.counters);
  const libc = loadLibc();
  const dataPath = createDataPath(options, counters, libc, (event) => parent.postMessage(event));
  const wakeFd = libc.eventfd();
  if (wakeFd < 0) throw new Error(`eventfd: ${errorName(-wakeFd)}`);
  let handledCommands = 0;
  const receive = (): void => {
    if (counters.isStopped) dataPath.loop.isStopped = true;
    if (counters.sentCommands === handledCommands) return;
    handledCommands = counters.sentCommands;
    for (let message = receiveMessageOnPort(parent); message; message = receiveMessageOnPort(parent))
      dataPath.receive(message.message as Command);
    counters.setHandledCommands(handledCommands);
  };
  const wakeMemory = libc.allocate(8);
  dataPath.loop.watch(wakeFd, EPOLLIN, {
    onEvents: () => {
      libc.read(wakeFd, wakeMemory, 8);
      // The read has consumed the wake of any command that was sent since the turn began, so it is received here.
      receive();
    },
  });
  parent.postMessage({ kind: 'ready', wakeFd } satisfies ThreadEvent);
  try {
    receive();
    dataPath.loop.run(receive, dataPath.onTurn);
  } finally {
    counters.setEnded();
  }
};

if (parentPort) run(parentPort);
