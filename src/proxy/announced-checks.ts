import type { Address } from '../lib/address.ts';

/** An announced check connects at once or not at all; on a busy machine this may take seconds. */
const EXPECTED_CHECK_TTL_MS = 5_000;

const MAX_EXPECTED_CHECKS = 64;

/**
 * The local ports from which the monitor has announced a check. An announcement is good for one connection from this host.
 */
export const createExpectedChecks = (isLocal: (host: string) => boolean, now: () => number) => {
  const expected = new Map<number, { readonly forward: boolean; readonly expiresAt: number }>();
  return {
    add: (localPort: number, forward: boolean): void => {
      expected.delete(localPort);
      expected.set(localPort, { forward, expiresAt: now() + EXPECTED_CHECK_TTL_MS });
      if (expected.size > MAX_EXPECTED_CHECKS) expected.delete(expected.keys().next().value ?? 0);
    },
    take: (from: Address): { readonly forward: boolean } | undefined => {
      const check = expected.size > 0 ? expected.get(from.port) : undefined;
      if (!check || !isLocal(from.host) || now() > check.expiresAt) return undefined;
      expected.delete(from.port);
      return check;
    },
  };
};
