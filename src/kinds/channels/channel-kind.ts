/** A kind of channel, without its I/O: its variable in .env, and its description for people. */
export interface ChannelKind {
  /** The name in the log, the status and the metrics' label `channel`. */
  readonly name: string;
  /** The variable of .env that says where the alerts go. Its value is a secret, unless {@link isProgram} is set. */
  readonly variable: string;
  /** An example of the value, for messages and docs/alerts.md. */
  readonly example: string;
  /** The content that the receiver gets: a phrase for docs/alerts.md, in Markdown, without a full stop. */
  readonly description: string;
  /**
   * Checks the value. Default: {@link checkHttpUrl}.
   * @returns what would be right, such as "an http or https URL"; null when the value can be used
   */
  check?(value: string): string | null;
  /** The value may be several, with commas or spaces between them: each is a URL, and a receiver of its own. Default: it is one. */
  readonly isList?: true;
  /** The value is the path of a program, which is no secret and must be executable. Default: it is a URL. */
  readonly isProgram?: true;
}

/** Parses an http or https URL. @returns null when it is none */
export const parseHttpUrl = (value: string): URL | null => {
  const url = URL.canParse(value) ? new URL(value) : null;
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? url : null;
};

/** The check of a value that may be any http or https URL. */
export const checkHttpUrl = (value: string): string | null =>
  parseHttpUrl(value) === null ? 'an http or https URL' : null;
