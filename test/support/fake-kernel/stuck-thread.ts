import { existsSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/** Loaded before all else: makes a thread that looks at the clock busy for as long as there is a certain file. */
const file = process.env['STEADYPORT_TEST_STUCK'] ?? '';
const now = performance.now.bind(performance);
if (!isMainThread)
  performance.now = () => {
    while (existsSync(file));
    return now();
  };
