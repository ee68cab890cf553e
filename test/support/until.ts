import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 10;
/** Long enough for a busy machine: only a test that waits in vain takes as long. */
const LIMIT_MS = 120_000;

/**
 * Waits for a state that no event announces, by asking every `pollMs`, or, where the answer takes longer than that, as long
 * after it as it took: a condition that starts a program leaves half of a core to what it waits for.
 * @param condition holds as soon as it gives anything but false, null or undefined
 * @param description names the state in the error; default: the source of the condition
 * @param limitMs default: LIMIT_MS
 * @param pollMs default: POLL_MS; longer where each question costs what is waited for
 * @returns what the condition gave
 * @throws when the condition does not hold within the limit
 */
export const until = async <T>(
  condition: () => T | Promise<T>,
  description = String(condition),
  limitMs = LIMIT_MS,
  pollMs = POLL_MS,
): Promise<Exclude<T, false | null | undefined>> => {
  for (const startedAt = performance.now(); ; ) {
    const askedAt = performance.now();
    const value = await condition();
    if (value !== false && value !== null && value !== undefined)
      return value as Exclude<T, false | null | undefined>;
    if (performance.now() - startedAt > limitMs) throw new Error(`not within ${limitMs} ms: ${description}`);
    await sleep(Math.max(pollMs, performance.now() - askedAt));
  }
};

/** @throws when the promise is not settled within LIMIT_MS. @param description names what it stands for */
export const within = async <T>(promise: Promise<T>, description: string): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, fail) => {
    const error = new Error(`not within ${LIMIT_MS} ms: ${description}`);
    timer = setTimeout(() => fail(error), LIMIT_MS);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
};
