import type { Policy } from '../../../src/proxy/engine.ts';

/** The policy of a test's engine, apart from what the test sets itself. */
export const LIMITS: Omit<Policy, 'upstream'> = {
  allow: ['loopback'],
  holdMs: 0,
  connectTimeoutMs: 5_000,
  idleTimeoutMs: 0,
  halfCloseTimeoutMs: 60_000,
  maxConnections: 0,
  maxHeld: 100,
};
