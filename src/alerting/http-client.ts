import type { Secret } from '../config/secrets.ts';
import type { Delivery } from './delivery.ts';
import { decodeSafely, describeFetchError, quoteAnswer } from './http-errors.ts';
import { readRetryAfter } from './retry-after.ts';

/** The longest time for one try, the answer included. */
const TIMEOUT_MS = 10_000;
/** The maximum that is read of a refusal. It is read only for its reason. */
const MAX_ANSWER_BYTES = 16_384;

/** The receiver will never accept the same text: it is wrong (400, 422) or too long (413). RFC 9110, 15.5. */
const FINAL_STATUSES = [400, 413, 422];

interface Request {
  readonly method: 'GET' | 'POST';
  /** Sent as JSON. Default: no body. */
  readonly body?: unknown;
  /** The URL that is called, when it is not the secret itself. */
  readonly url?: URL;
  /** Default {@link TIMEOUT_MS}. */
  readonly timeoutMs?: number;
}

/**
 * Tries once; never rejects. Redirects are not followed: a POST would become a GET (RFC 9110, 15.4).
 * @param secret the configured URL: no part of it is in the problem of a failed delivery
 */
export const request = async (
  secret: Secret,
  { method, body, url: endpoint = secret.reveal(), timeoutMs = TIMEOUT_MS }: Request,
  signal: AbortSignal,
): Promise<Delivery> => {
  const { url, headers } = withoutCredentials(endpoint);
  // AbortSignal.any with AbortSignal.timeout is garbage-collected before it fires (https://github.com/nodejs/node/issues/57736).
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  let isTimedOut = false;
  const timer = setTimeout(() => {
    isTimedOut = true;
    abort();
  }, timeoutMs);
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  try {
    const response = await fetch(url, {
      method,
      headers: {
        ...headers,
        'user-agent': 'steadyport',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      redirect: 'manual',
      signal: controller.signal,
    });
    if (response.ok) {
      void response.body?.cancel().catch(() => {});
      return { ok: true };
    }
    return toFailure(response, await readPrefix(response), secret.reveal());
  } catch (error) {
    const timeoutProblem = isTimedOut ? `timed out after ${timeoutMs / 1_000} s` : null;
    const abortProblem = signal.aborted ? 'given up, since the monitor stops' : null;
    return {
      ok: false,
      problem: timeoutProblem ?? abortProblem ?? describeFetchError(error),
      retryAfterMs: null,
      isFinal: false,
    };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
};

/** fetch refuses a URL with a user and a password, so they go into a header (RFC 7617). */
const withoutCredentials = (
  url: URL,
): { readonly url: URL; readonly headers: Readonly<Record<string, string>> } => {
  if (url.username === '' && url.password === '') return { url, headers: {} };
  const credentials = `${decodeSafely(url.username)}:${decodeSafely(url.password)}`;
  const headers = { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
  url.username = '';
  url.password = '';
  return { url, headers };
};

const toFailure = (response: Response, answer: string, url: URL): Delivery => {
  const { status, headers } = response;
  const mayAskForTime = status === 429 || status === 503;
  return {
    ok: false,
    problem: `HTTP ${status}${noteOn(status, answer, url)}`,
    retryAfterMs: mayAskForTime ? readRetryAfter(headers, answer, Date.now()) : null,
    isFinal: FINAL_STATUSES.includes(status),
  };
};

const noteOn = (status: number, answer: string, url: URL): string => {
  if (status >= 300 && status < 400) return ', a redirect, which is not followed';
  const quote = quoteAnswer(answer, url);
  return quote === null ? '' : `: ${quote}`;
};

/** The first {@link MAX_ANSWER_BYTES} of the answer, or less when it breaks off. */
const readPrefix = async (response: Response): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk);
      sizeBytes += chunk.length;
      if (sizeBytes >= MAX_ANSWER_BYTES) break;
    }
  } catch {
    // The status alone is reported.
  }
  return Buffer.concat(chunks).toString('utf8', 0, MAX_ANSWER_BYTES);
};
