import { type ChannelKind, parseHttpUrl } from './channel-kind.ts';

/**
 * The last part of the URL's path is the topic: letters, digits, `-` and `_`, at most 64 of them
 * (`topicRegex` in https://github.com/binwiederhier/ntfy/blob/main/server/server.go).
 */
const TOPIC = /\/[-_A-Za-z0-9]{1,64}$/;

export const ntfy = {
  name: 'ntfy',
  variable: 'NTFY_URL',
  example: 'https://ntfy.sh/TOPIC',
  description:
    'a notification with a priority by severity; `https://user:password@…` or `https://:TOKEN@…` for a protected topic',
  check: (value) =>
    TOPIC.test(parseHttpUrl(value)?.pathname ?? '')
      ? null
      : 'an http or https URL with a topic of letters, digits, "-" and "_" at the end of its path',
} as const satisfies ChannelKind;
