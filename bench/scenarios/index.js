// The measures of a forwarder. Each starts an upstream and the forwarder, loads it, and returns its figures. The caller
// stops the started processes.
import { fairness } from './fairness.js';
import { connections, requests } from './http.js';
import { latency } from './latency.js';
import { logged } from './logged.js';
import { memory } from './memory.js';
import { startup } from './startup.js';
import { streams } from './streams.js';
import { syscalls } from './syscalls.js';
import { underPm2 } from './under-pm2.js';

/** `isFor` limits a measure to some forwarders. `table` is the title of a separate table. */
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

/** Peers that write a log are measured only where `isFor` includes them. */
const isCommon = ({ role }) => role !== 'logged';
