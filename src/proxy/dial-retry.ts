/** The first pause of a held client. With it, an upstream that is back after 1.5 s serves its clients by about 2 s. */
export const FIRST_RETRY_DELAY_MS = 100;
/** Each pause is 1.5 times as long as the one before, at most MAX_RETRY_DELAY_MS. */
export const nextRetryDelayMs = (delayMs: number): number => Math.min(delayMs * 1.5, MAX_RETRY_DELAY_MS);
const MAX_RETRY_DELAY_MS = 500;

/**
 * The error codes that a held client retries after: the upstream's port is closed, its address or socket file does not
 * exist yet, or the queue of its unix socket is full (EAGAIN, connect(2)).
 */
const RETRYABLE_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'EAGAIN',
  'EADDRNOTAVAIL',
  'ESELF',
]);

export const isRetryable = (code: string): boolean => RETRYABLE_CODES.has(code);

/**
 * When several addresses fail, these codes count before others: a time-out forbids a hold, a refusal proves that the
 * host is up.
 */
const DECISIVE_CODES = ['ETIMEDOUT', 'ECONNREFUSED'];
export const moreDecisiveCode = (previous: string, latest: string): string =>
  DECISIVE_CODES.find((code) => code === previous || code === latest) ?? latest;
