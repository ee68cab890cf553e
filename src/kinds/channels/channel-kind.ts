/** A kind of channel, without its I/O: its variable in .env, and its description for people. */
export interface ChannelKind {
  /** The name in the log, the status and the metrics' label `channel`. */
  readonly name: string;
  /** The variable of .env that has the receiver's URL, which is a secret. */
  readonly variable: string;
  /** An example of the URL, for messages and docs/alerts.md. */
  readonly example: string;
  /** The content that the receiver gets: a phrase for docs/alerts.md, in Markdown, without a full stop. */
  readonly description: string;
  /** The pattern of a usable URL's path, and its words for messages. Default: every http or https URL can be used. */
  readonly urlPath?: { readonly pattern: RegExp; readonly expected: string };
}
