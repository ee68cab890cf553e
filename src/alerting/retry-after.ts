import { MAX_RETRY_AFTER_MS } from './policy/retry.ts';

/**
 * The pause that a receiver asks for, in milliseconds. `retry_after` anywhere in the answer, in seconds with
 * a fraction (https://discord.com/developers/docs/topics/rate-limits, https://core.telegram.org/bots/api#responseparameters),
 * has precedence over the header, which has whole seconds or a
 * date (RFC 9110, 10.2.3). A date is compared with the `Date` of the answer, the receiver's own clock, where it has one.
 * @param now wall-clock milliseconds
 * @returns at most {@link MAX_RETRY_AFTER_MS}; null when the receiver asks for nothing
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
