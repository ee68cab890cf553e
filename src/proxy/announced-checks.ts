import type { Address } from '../lib/address.ts';

/** An announced check comes at once or not at all; on a busy machine, at once may be seconds. */
const CHECK_EXPECTED_MS = 5_000;

const MOST_EXPECTED_CHECKS = 64;

/** The ports from which the monitor has said that it would come; only this host can come from them. */
export const createExpectedChecks = (isLocal: (host: string) => boolean, now: () => number) => {
  const expected = new Map<number, { readonly forward: boolean; readonly untilMs: number }>();
  return {
    add: (localPort: number, forward: boolean): void => {
      expected.delete(localPort);
      expected.set(localPort, { forward, untilMs: now() + CHECK_EXPECTED_MS });
      if (expected.size > MOST_EXPECTED_CHECKS) expected.delete(expected.keys().next().value ?? 0);
    },
    take: (from: Address): { readonly forward: boolean } | undefined => {
      const announced = expected.size > 0 ? expected.get(from.port) : undefined;
      if (!announced || !isLocal(from.host) || now() > announced.untilMs) return undefined;
      expected.delete(from.port);
      return announced;
    },
  };
};
