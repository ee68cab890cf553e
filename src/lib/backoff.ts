/** The pauses of an exponential backoff: `minMs`, then twice as long each time, at most `maxMs`. */
export interface Backoff {
  readonly minMs: number;
  readonly maxMs: number;
}

/** The pause before the next attempt, in milliseconds. @param failures the failed attempts so far; 0 gives `minMs` */
export const backoffMs = ({ minMs, maxMs }: Backoff, failures: number): number =>
  Math.min(minMs * 2 ** failures, maxMs);
