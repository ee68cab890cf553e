import type { Message } from '../policy/notification.ts';
import type { EventSender } from './channel.ts';
import {
  escapeHtml,
  escapeToFit,
  formatNotification,
  formatUtc,
  omittedLines,
  selectGravest,
  subjectOf,
  type TextFormat,
} from './text.ts';

/**
 * A message has at most 50 blocks, a section's text 3,000 characters
 * (https://docs.slack.dev/reference/block-kit/blocks). All blocks together are refused (`msg_blocks_too_long`) from
 * about 13,000 characters on, which is not documented (https://github.com/slackapi/bolt-js/issues/2509).
 */
const MAX = { notifications: 40, characters: 9_000, text: 1_000, omitted: 1_000 };

/**
 * Three characters are escaped, and dates are in the reader's own time:
 * https://docs.slack.dev/messaging/formatting-message-text.
 */
const format: TextFormat = {
  escape: escapeHtml,
  formatTime: (at) =>
    `<!date^${Math.floor(at / 1_000)}^{date_short_pretty} {time_secs}|${formatUtc(at)}> (${formatUtc(at)})`,
};

interface Block {
  readonly type: 'section' | 'context';
  readonly [key: string]: unknown;
}

/**
 * Formats a message for an incoming webhook. The reader's notification shows `text`.
 * https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
 */
export const slackBody = (message: Message): { readonly text: string; readonly blocks: readonly Block[] } => {
  const { shown, omitted } = selectGravest(
    message.notifications,
    { maxCount: MAX.notifications, maxLength: MAX.characters },
    (notification) => {
      const { title, summary, rows } = formatNotification(notification, format);
      return [`*${title}*`, summary, ...rows.map(({ name, text }) => `*${name}:* ${text}`)].join('\n');
    },
    (text) => text.length,
  );
  const footer = `${format.formatTime(message.createdAt)}  steadyport ${escapeToFit(message.id, 100, format)}`;
  return {
    text: escapeToFit(subjectOf(message), MAX.text, format),
    blocks: [
      ...[...shown, ...omittedLines(omitted, MAX.omitted, format)].map(toSection),
      { type: 'context', elements: [{ type: 'mrkdwn', text: footer }] },
    ],
  };
};

const toSection = (text: string): Block => ({ type: 'section', text: { type: 'mrkdwn', text } });

export const slack: EventSender = {
  delivers: 'events',
  toRequest: (message) => ({ body: slackBody(message) }),
};
