import { existsSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/** A preload: a thread that reads the clock is busy for as long as the file STEADYPORT_TEST_STUCK exists. */
const file = process.env['STEADYPORT_TEST_STUCK'] ?? '';
const now = performance.now.bind(performance);
if (!isMainThread)
  performance.now = () => {
    while (existsSync(file));
    return now();
  };
