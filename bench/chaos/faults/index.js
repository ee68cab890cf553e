import { PROXY_FAULTS } from './proxy.js';
import { REPEATED_FAULTS } from './repeated.js';
import { SUPERVISOR_FAULTS } from './supervisors.js';
import { SURROUNDINGS_FAULTS } from './surroundings.js';
import { UPSTREAM_FAULTS } from './upstream.js';

/**
 * Every fault.
 * - `run` injects the fault, calls `mark()` at that instant, and ends when the fault is over or known to the monitor. It
 *   returns further figures, such as a `note` for the report.
 * - `heal` undoes what does not recover by itself.
 * - `shows` names the further figures in the report.
 * - `restarts: 0`: any restart counts as wrong.
 * - `affectsAll`: every proxy is a target.
 * - `isRemote`: the target is the proxy whose application is on another machine.
 * - `restMs`: the least time between two rounds.
 * - `isExclusive`: the fault never comes together with another one.
 * - `endsMonitor`: another monitor process follows.
 * - `needs`: see requirements.js. `sandbox`: see sandbox/sandbox.js; default: "usual".
 */
export const FAULTS = [
  ...PROXY_FAULTS,
  ...REPEATED_FAULTS,
  ...SURROUNDINGS_FAULTS,
  ...SUPERVISOR_FAULTS,
  ...UPSTREAM_FAULTS,
];
