/** The first pause of a held client. With it, an upstream that is back after 1.5 s serves its clients by about 2 s. */
export const FIRST_RETRY_DELAY_MS = 100;
/** Each pause is 1.5 times as long as the one before, at most MAX_RETRY_DELAY_MS. */
export const nextRetryDelayMs = (delayMs: number): number => Math.min(delayMs * 1.5, MAX_RETRY_DELAY_MS);
const MAX_RETRY_DELAY_MS = 500;

/**
 * The error codes that a held client retries after: what an upstream shows while it restarts, is created anew or comes back
 * under another address (connect(2), unix(7), getaddrinfo(3); ESELF is {@link Dial}'s own).
 */
const RETRYABLE_CODES: ReadonlySet<string> = new Set([
  // The port is closed, or its queue is being closed.
  'ECONNREFUSED',
  'ECONNRESET',
  // The socket file does not exist yet, or the queue of the unix socket is full.
  'ENOENT',
  'EAGAIN',
  // The address is not there (yet), or nobody answers for it.
  'EADDRNOTAVAIL',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ETIMEDOUT',
  // The name has no address (yet), or its name server does not answer.
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'ESELF',
]);

export const isRetryable = (code: string): boolean => RETRYABLE_CODES.has(code);

/** When several addresses fail, these codes count before others: a refusal proves that the host is up. */
const DECISIVE_CODES = ['ECONNREFUSED', 'ETIMEDOUT'];
export const moreDecisiveCode = (previous: string, latest: string): string =>
  DECISIVE_CODES.find((code) => code === previous || code === latest) ?? latest;
