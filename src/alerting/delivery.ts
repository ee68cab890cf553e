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

/** `failed`: it is tried again. `dropped`: it was refused for good. */
export type Outcome = 'sent' | 'failed' | 'dropped';

/** The number of tries with each outcome, by channel. The counts never go backwards. */
export type DeliveryCounts = Readonly<Record<string, Readonly<Record<Outcome, number>>>>;
