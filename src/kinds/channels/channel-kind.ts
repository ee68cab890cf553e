/** What is known of a kind of channel without any I/O: its variable in .env, and how it is described to people. */
export interface ChannelKind {
  /** For the log, the status and the metrics' label `channel`. */
  readonly name: string;
  /** The variable of .env that has the receiver's URL, which is a secret. */
  readonly variable: string;
  /** A URL as it is written in messages and in the README. */
  readonly example: string;
  /** What the receiver gets: one sentence for the README, in Markdown, without a full stop. */
  readonly description: string;
  /** Default: every http or https URL can be used. */
  readonly urlPath?: RegExp;
}
