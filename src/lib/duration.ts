/** A duration for people: "350 ms" below a second, "2.0 s" below 90 s, "5 min" from there on. */
export const formatDuration = (durationMs: number): string =>
  durationMs < 1_000
    ? `${durationMs} ms`
    : durationMs < 90_000
      ? `${(durationMs / 1_000).toFixed(1)} s`
      : `${Math.round(durationMs / 60_000)} min`;

/**
 * True while less than `windowMs` has passed since an instant. An instant that is `windowMs` or more in the future was
 * recorded before the clock was set back, and counts as passed.
 */
export const isWithin = (since: number, now: number, windowMs: number): boolean =>
  Math.abs(now - since) < windowMs;

/** A moment for people, to the minute, in local time: "2026-11-30 12:03". @param at wall-clock milliseconds */
export const formatMinute = (at: number): string => {
  const date = new Date(at);
  const twoDigits = (number: number): string => String(number).padStart(2, '0');
  const day = `${date.getFullYear()}-${twoDigits(date.getMonth() + 1)}-${twoDigits(date.getDate())}`;
  return `${day} ${twoDigits(date.getHours())}:${twoDigits(date.getMinutes())}`;
};
