/** Hold: again after 100 ms, growing to 500 ms: an upstream back after 1.5 s serves its clients by about 2 s. */
export const FIRST_RETRY_DELAY_MS = 100;
export const nextRetryDelayMs = (delayMs: number): number => Math.min(delayMs * 1.5, MAX_RETRY_DELAY_MS);
const MAX_RETRY_DELAY_MS = 500;

/**
 * Worth waiting for: the upstream's port is closed, its address or socket file not there yet, or its unix socket's
 * queue full (EAGAIN, connect(2)).
 */
const RETRYABLE_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'EAGAIN',
  'EADDRNOTAVAIL',
  'ESELF',
]);

export const isRetryable = (code: string): boolean => RETRYABLE_CODES.has(code);

/** Of the addresses' codes: a time-out forbids to hold, a refusal says that the host is there. */
const DECISIVE_CODES = ['ETIMEDOUT', 'ECONNREFUSED'];
export const moreDecisiveCode = (previous: string, latest: string): string =>
  DECISIVE_CODES.find((code) => code === previous || code === latest) ?? latest;
