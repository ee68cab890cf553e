/** Hold: again after 100 ms, growing to 500 ms: an upstream back after 1.5 s serves its clients by about 2 s. */
export const FIRST_RETRY_MS = 100;
export const nextRetryMs = (retryMs: number): number => Math.min(retryMs * 1.5, LONGEST_RETRY_MS);
const LONGEST_RETRY_MS = 500;

/**
 * Worth waiting for: the upstream's port is closed, its address or socket file not there yet, or its unix socket's
 * queue full (EAGAIN, connect(2)).
 */
const HOLDABLE: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT', 'EAGAIN', 'EADDRNOTAVAIL', 'ESELF']);

export const isHoldable = (code: string): boolean => HOLDABLE.has(code);

/** Of the addresses' codes: a time-out forbids to hold, a refusal says that the host is there. */
const TELLING = ['ETIMEDOUT', 'ECONNREFUSED'];
export const moreTelling = (before: string, now: string): string =>
  TELLING.find((code) => code === before || code === now) ?? now;
