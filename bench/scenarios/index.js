// What is measured of each forwarder: each measure starts an upstream and the forwarder, loads it, and
// returns its figures. Who calls it stops what was started.
import { fairness } from './fairness.js';
import { connections, requests } from './http.js';
import { latency } from './latency.js';
import { logged } from './logged.js';
import { memory } from './memory.js';
import { startup } from './startup.js';
import { streams } from './streams.js';
import { syscalls } from './syscalls.js';
import { underPm2 } from './under-pm2.js';

/** A measure with `isFor` is not made of all forwarders; one with `table` has a table of its own. */
export const MEASURES = [
  streams(1),
  streams(8),
  requests,
  connections,
  latency,
  fairness,
  syscalls,
  memory,
  underPm2,
  startup,
  logged,
];

export const forwardersOf = ({ isFor = isCommon }, forwarders) => forwarders.filter(isFor);

/** Those that write a log are beside the others where that is measured. */
const isCommon = ({ role }) => role !== 'logged';
