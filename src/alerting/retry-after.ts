/** A receiver that asks for more is asked again after this time. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/**
 * When a receiver wants to be asked again; null when it does not say. `retry_after` in the answer, in seconds
 * with a fraction (https://discord.com/developers/docs/topics/rate-limits), goes before the header, which has whole
 * seconds or a date (RFC 9110, 10.2.3). A date is measured by the receiver's own clock where it tells it.
 */
export const readRetryAfter = (headers: Headers, answer: string, now: number): number | null => {
  const ms = fromAnswer(answer) ?? fromHeader(headers, now);
  return ms === null ? null : Math.min(Math.max(Math.ceil(ms), 0), MAX_RETRY_AFTER_MS);
};

const fromAnswer = (answer: string): number | null => {
  const seconds = /"retry_after"\s*:\s*(\d+(?:\.\d+)?)/.exec(answer)?.[1];
  return seconds === undefined ? null : Number(seconds) * 1_000;
};

const fromHeader = (headers: Headers, now: number): number | null => {
  const text = headers.get('retry-after')?.trim() ?? '';
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  const retryAt = Date.parse(text);
  if (Number.isNaN(retryAt)) return null;
  const serverNow = Date.parse(headers.get('date') ?? '');
  return retryAt - (Number.isNaN(serverNow) ? now : serverNow);
};
