import type { AlertsConfig } from '../../config/config.ts';

/**
 * Makes a function that is true for an instant within the quiet hours: from `from`, up to and without `to`, by the clock of
 * `timeZone` (default: this machine's). Without quiet hours it is always false.
 */
export const createQuietHours = (hours: AlertsConfig['quietHours']): ((now: number) => boolean) => {
  if (!hours) return () => false;
  const { from, to, timeZone } = hours;
  const clock = new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZone,
  });
  return (now) => {
    const time = clock.format(now);
    return from < to ? from <= time && time < to : from <= time || time < to;
  };
};
