import type { Severity } from '../../kinds/channels/severity.ts';
import type { Message } from '../policy/notification.ts';
import type { EventSender } from './channel.ts';
import {
  escapeToFit,
  formatNotification,
  formatUtc,
  type NotificationText,
  omittedLines,
  PLAIN,
  selectGravest,
  subjectOf,
  type TextFormat,
} from './text.ts';

/**
 * A message has at most 10 embeds. The titles, descriptions, fields and footers of all of them have at most 6,000
 * characters together, and its content 2,000 (https://discord.com/developers/docs/resources/message#embed-object-embed-limits).
 * The limits of the parts (256, 4,096, 1,024, 25 fields) are above those of text.ts.
 */
const MAX = { notifications: 10, characters: 5_700, content: 1_000, footer: 120 };

/** A backslash escapes what would be Markdown or a mention: https://support.discord.com/hc/en-us/articles/210298617. */
const format: TextFormat = {
  escape: (text) => text.replace(/[\\*_~`|<>#@[\]]/g, '\\$&'),
  formatTime: (at) => `<t:${Math.floor(at / 1_000)}:F> (${formatUtc(at)})`,
};

const COLOURS: Readonly<Record<Severity, number>> = {
  critical: 0xd0_2f_2f,
  warning: 0xe0_9f_1f,
  info: 0x2f_8f_4f,
};

interface Embed {
  readonly title: string;
  readonly description: string;
  readonly color: number;
  readonly fields: readonly { readonly name: string; readonly value: string }[];
  readonly timestamp: string;
  readonly footer: { readonly text: string };
}

/** Formats a message for https://discord.com/developers/docs/resources/webhook#execute-webhook. The message mentions nobody. */
export const discordBody = (message: Message) => {
  // A footer shows text as it is.
  const footer = { text: escapeToFit(`steadyport ${message.id}`, MAX.footer, PLAIN) };
  const timestamp = new Date(message.createdAt).toISOString();
  const { shown, omitted } = selectGravest(
    message.notifications,
    { maxCount: MAX.notifications, maxLength: MAX.characters },
    (notification): Embed => ({
      ...toEmbed(formatNotification(notification, format)),
      color: COLOURS[notification.severity],
      timestamp,
      footer,
    }),
    countCharacters,
  );
  return {
    content: [
      escapeToFit(subjectOf(message), MAX.content - 1, format),
      ...omittedLines(omitted, MAX.content, format),
    ].join('\n'),
    embeds: shown,
    allowed_mentions: { parse: [] },
  };
};

const toEmbed = ({ title, summary, rows }: NotificationText) => ({
  title,
  description: summary,
  fields: rows.map(({ name, text }) => ({ name, value: text })),
});

const countCharacters = ({ title, description, fields, footer }: Embed): number =>
  fields.reduce(
    (sum, { name, value }) => sum + name.length + value.length,
    title.length + description.length + footer.text.length,
  );

export const discord: EventSender = {
  delivers: 'events',
  toRequest: (message) => ({ body: discordBody(message) }),
};
