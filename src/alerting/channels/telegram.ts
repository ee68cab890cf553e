import type { Message } from '../policy/notification.ts';
import type { EventSender, RequestContext } from './channel.ts';
import {
  escapeHtml,
  escapeToFit,
  formatNotification,
  formatUtc,
  omittedLines,
  selectGravest,
  type TextFormat,
} from './text.ts';

/**
 * A message has at most 4,096 characters, tags and escapes not counted (https://core.telegram.org/bots/api#sendmessage).
 * They are counted here, so the parts stay below it together.
 */
const MAX = { notifications: 20, characters: 3_300, omitted: 500, id: 100 };

/**
 * Three characters are escaped in HTML (https://core.telegram.org/bots/api#html-style). Telegram finds mentions in plain text,
 * so a word joiner (U+2060), which is not visible, follows each "@".
 */
const format: TextFormat = {
  escape: (text) => escapeHtml(text).replaceAll('@', '@\u2060'),
  formatTime: formatUtc,
};

/** Formats a message for https://core.telegram.org/bots/api#sendmessage. The parameters of the URL's query are sent with it. */
export const telegramBody = (message: Message, { url }: Pick<RequestContext, 'url'>) => {
  const { shown, omitted } = selectGravest(
    message.notifications,
    { maxCount: MAX.notifications, maxLength: MAX.characters },
    (notification) => {
      const { title, summary, rows } = formatNotification(notification, format);
      return [
        `<b>${title}</b>`,
        summary,
        ...rows.map(({ name, text }) => `<b>${name}:</b> ${text}`),
        '',
      ].join('\n');
    },
    (text) => text.length + 1,
  );
  const more = omittedLines(omitted, MAX.omitted, format).map((line) => `${line}\n`);
  const footer = `<code>steadyport ${escapeToFit(message.id, MAX.id, format)}</code>`;
  return {
    ...Object.fromEntries(url.searchParams),
    text: [...shown, ...more, footer].join('\n'),
    parse_mode: 'HTML',
    link_preview_options: { is_disabled: true },
  };
};

const withoutQuery = (url: URL): URL => {
  const method = new URL(url);
  method.search = '';
  return method;
};

/**
 * What Telegram says of a text that it will never accept (https://github.com/TelegramBotAPI/errors/issues/2). It answers 400 to
 * a wrong chat or topic, too, and to a bot without the right to write: those can be put right, and what waits then arrives.
 */
const REFUSED_TEXT = /can't parse entities|is too long|text is empty/i;

export const telegram: EventSender = {
  delivers: 'events',
  toRequest: (message, { url }) => ({ body: telegramBody(message, { url }), url: withoutQuery(url) }),
  isFinal: (status, answer) => status === 413 || (status === 400 && REFUSED_TEXT.test(answer)),
};
