import type { Secret } from '../config/secrets.ts';
import { decodeSafely, describeFetchError, quoteAnswer } from './http-errors.ts';
import type { Delivery } from './policy/notification.ts';
import { readRetryAfter } from './retry-after.ts';

/** What one try may take in all, with the answer. */
const TIMEOUT_MS = 10_000;
/** Of an answer that says no; it is only read for its reason. */
const MAX_ANSWER_BYTES = 16_384;

/** The same text will never be taken: it is wrong (400, 422), or too long (413). RFC 9110, 15.5. */
const FINAL_STATUSES = [400, 413, 422];

interface Request {
  readonly method: 'GET' | 'POST';
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Default {@link TIMEOUT_MS}. */
  readonly timeoutMs?: number;
}

/**
 * One try; never rejects. Redirects are not followed: a POST would become a GET (RFC 9110, 15.4).
 * What it says of a failure never has the URL in it, which is a secret.
 */
export const request = async (
  secret: Secret,
  { method, body, timeoutMs = TIMEOUT_MS }: Request,
  signal: AbortSignal,
): Promise<Delivery> => {
  const { url, headers } = withoutCredentials(secret.reveal());
  // Not AbortSignal.any with AbortSignal.timeout: collected, it never fires (https://github.com/nodejs/node/issues/57736).
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
    const problem = isTimedOut
      ? `timed out after ${timeoutMs / 1_000} s`
      : signal.aborted
        ? 'given up, since the monitor leaves'
        : describeFetchError(error);
    return { ok: false, problem, retryAfterMs: null, isFinal: false };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
};

/** fetch takes no URL with a user and a password in it: they go into a header (RFC 7617). */
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
  const quote = quoteAnswer(answer, url);
  const isRedirect = status >= 300 && status < 400;
  const note = isRedirect ? ', a redirect, which is not followed' : quote === null ? '' : `: ${quote}`;
  return {
    ok: false,
    problem: `HTTP ${status}${note}`,
    retryAfterMs: status === 429 || status === 503 ? readRetryAfter(headers, answer, Date.now()) : null,
    isFinal: FINAL_STATUSES.includes(status),
  };
};

/** As far as it comes; an answer without end is cut off. */
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
    // The status says enough.
  }
  return Buffer.concat(chunks).toString('utf8', 0, MAX_ANSWER_BYTES);
};
