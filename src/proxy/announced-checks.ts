import { type Address, canonicalHost } from '../lib/address.ts';

/** The address from which the monitor connects for a check. */
export interface CheckSource {
  /** An IP address. Monitors of earlier versions do not tell it: then it may be any address of this host. */
  readonly localHost?: string;
  readonly localPort: number;
}

/** A check that the monitor announces before it connects. */
export interface CheckAnnouncement extends CheckSource {
  /** True: it is passed on to the upstream as a client is. False: it is closed at once. */
  readonly forward: boolean;
}

/** An announced check connects at once or not at all; on a busy machine this may take seconds. */
const EXPECTED_CHECK_TTL_MS = 5_000;

const MAX_EXPECTED_CHECKS = 64;

/**
 * The checks that the monitor has announced. An announcement is good for one connection, from the very address that it names
 * (docs/decisions.md: ADR-0057).
 */
export const createExpectedChecks = (isLocal: (host: string) => boolean, now: () => number) => {
  const expected = new Map<number, { readonly check: CheckAnnouncement; readonly expiresAt: number }>();
  const isFrom = ({ localHost }: CheckSource, host: string): boolean =>
    localHost === undefined ? isLocal(host) : canonicalHost(localHost) === host;
  return {
    add: (check: CheckAnnouncement): void => {
      expected.delete(check.localPort);
      expected.set(check.localPort, { check, expiresAt: now() + EXPECTED_CHECK_TTL_MS });
      if (expected.size > MAX_EXPECTED_CHECKS) expected.delete(expected.keys().next().value ?? 0);
    },
    take: (from: Address): CheckAnnouncement | undefined => {
      const found = expected.size > 0 ? expected.get(from.port) : undefined;
      if (!found || !isFrom(found.check, from.host) || now() > found.expiresAt) return undefined;
      expected.delete(from.port);
      return found.check;
    },
    /** The announced connection does not come: a later one from its address is that of a client. */
    retract: ({ localHost, localPort }: CheckSource): void => {
      if (expected.get(localPort)?.check.localHost === localHost) expected.delete(localPort);
    },
  };
};
