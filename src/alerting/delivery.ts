import type * as v from 'valibot';
import { count, fields, recordOf, text } from '../lib/stored-fields.ts';

/** The result of one try to send. */
export type Delivery =
  | { readonly ok: true }
  | {
      readonly ok: false;
      /** The reason of the failure. It never contains the URL, which is a secret. */
      readonly problem: string;
      /** The pause that the receiver asks for (Retry-After, retry_after); null when it asks for none. */
      readonly retryAfterMs: number | null;
      /** The receiver will never accept the same message (such as 400, 413 and 422 over HTTP), so it is not tried again. */
      readonly isFinal: boolean;
    };

const outcomeCounts = fields({
  sent: count,
  /** It is tried again. */
  failed: count,
  /** It was refused for good. */
  dropped: count,
});

export type Outcome = keyof v.InferOutput<typeof outcomeCounts>;

export const NO_OUTCOMES: v.InferOutput<typeof outcomeCounts> = { sent: 0, failed: 0, dropped: 0 };

export const OUTCOMES = Object.keys(NO_OUTCOMES) as readonly Outcome[];

export const deliveryCountsSchema = recordOf(outcomeCounts, text);

/** The number of tries with each outcome, by channel. The counts never go backwards. */
export type DeliveryCounts = v.InferOutput<typeof deliveryCountsSchema>;
