import type { Policy } from '../../src/proxy/engine.ts';

/** What a test's engine has to keep to, but for what the test says. */
export const LIMITS: Omit<Policy, 'upstream'> = {
  allow: ['loopback'],
  holdMs: 0,
  connectTimeoutMs: 5_000,
  idleTimeoutMs: 0,
  halfCloseTimeoutMs: 60_000,
  maxConnections: 0,
  maxHeld: 100,
};
