import { PROXY_FAULTS } from './proxy.js';
import { SUPERVISOR_FAULTS } from './supervisors.js';
import { UPSTREAM_FAULTS } from './upstream.js';

/**
 * Each `run` brings the fault about at `mark()` and ends when it is over or known to the monitor; `heal` puts right
 * what is not to come right by itself. `restarts: 0`: any restart is a wrong one. `isAboutAll`: every proxy is a target.
 */
export const FAULTS = [...PROXY_FAULTS, ...SUPERVISOR_FAULTS, ...UPSTREAM_FAULTS];
