import type { Secret } from '../config/secrets.ts';
import type { Delivery } from './delivery.ts';
import { ATTEMPT_TIMEOUT_MS, attemptDelivery, failure } from './delivery-attempt.ts';
import { decodeSafely, describeFetchError, quoteAnswer } from './delivery-errors.ts';
import { readRetryAfter } from './retry-after.ts';

/** The maximum that is read of a refusal. It is read only for its reason. */
const MAX_ANSWER_BYTES = 16_384;

/** True when the receiver will never accept the same text: it is wrong (400, 422) or too long (413). RFC 9110, 15.5. */
export const isFinalStatus = (status: number): boolean => [400, 413, 422].includes(status);

interface Request {
  readonly method: 'GET' | 'POST';
  /** Sent as JSON. Default: no body. */
  readonly body?: unknown;
  /** The URL that is called, when it is not the secret itself. */
  readonly url?: URL;
  /** Default {@link ATTEMPT_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
  /** True when an answer says that the text will never be accepted. Default: {@link isFinalStatus}. */
  readonly isFinal?: ((status: number, answer: string) => boolean) | undefined;
}

/**
 * Tries once; never rejects. Redirects are not followed: a POST would become a GET (RFC 9110, 15.4).
 * @param secret the configured URL: no part of it is in the problem of a failed delivery
 */
export const request = (
  secret: Secret,
  {
    method,
    body,
    url: endpoint = secret.revealUrl(),
    timeoutMs = ATTEMPT_TIMEOUT_MS,
    isFinal = isFinalStatus,
  }: Request,
  callerSignal: AbortSignal,
): Promise<Delivery> => {
  const { url, headers } = withoutCredentials(endpoint);
  const attempt = async (signal: AbortSignal): Promise<Delivery> => {
    const response = await fetch(url, {
      method,
      headers: {
        ...headers,
        'user-agent': 'steadyport',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      redirect: 'manual',
      signal,
    });
    if (response.ok) {
      void response.body?.cancel().catch(() => {});
      return { ok: true };
    }
    return toFailure(response, await readPrefix(response), secret.revealUrl(), isFinal);
  };
  return attemptDelivery(callerSignal, timeoutMs, attempt, (error) => failure(describeFetchError(error)));
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

const toFailure = (
  { status, headers }: Response,
  answer: string,
  url: URL,
  isFinal: (status: number, answer: string) => boolean,
): Delivery => {
  const mayAskForTime = status === 429 || status === 503;
  return failure(`HTTP ${status}${noteOn(status, answer, url)}`, {
    retryAfterMs: mayAskForTime ? readRetryAfter(headers, answer, Date.now()) : null,
    isFinal: isFinal(status, answer),
  });
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
