import { PROXY_FAULTS } from './proxy.js';
import { REPEATED_FAULTS } from './repeated.js';
import { SUPERVISOR_FAULTS } from './supervisors.js';
import { SURROUNDINGS_FAULTS } from './surroundings.js';
import { UPSTREAM_FAULTS } from './upstream.js';

/**
 * Each `run` brings the fault about at `mark()` and ends when it is over or known to the monitor; `heal` puts right
 * what is not to come right by itself. What it returns are further figures: `shows` has those for the page, and their
 * names there. `restarts: 0`: any restart is a wrong one. `isAboutAll`: every proxy is a target; `isBeyond`: the one
 * whose application is on another machine. `restMs`: between two rounds. `isAlone`: not together with another;
 * `endsMonitor`: another one follows. `needs`: see needs.js; `place`: see place.js.
 */
export const FAULTS = [
  ...PROXY_FAULTS,
  ...REPEATED_FAULTS,
  ...SURROUNDINGS_FAULTS,
  ...SUPERVISOR_FAULTS,
  ...UPSTREAM_FAULTS,
];
