import type { Severity } from '../../kinds/channels/severity.ts';
import type { Message } from '../policy/notification.ts';
import type { EventSender, RequestContext } from './channel.ts';
import {
  countJsonBytes,
  escapeToFit,
  formatNotification,
  omittedLines,
  PLAIN,
  selectGravest,
  subjectOf,
  type TextFormat,
  titleOf,
} from './text.ts';

/**
 * A message of more than 4,096 bytes becomes an attachment (https://docs.ntfy.sh/publish/#limitations), which a server may
 * refuse; and the whole JSON may have twice as many bytes, or it is answered with 413 (`transformBodyJSON` in
 * https://github.com/binwiederhier/ntfy/blob/main/server/server.go, https://github.com/binwiederhier/ntfy/issues/1073).
 * All are measured as JSON, so `message`, `title` and the tags of at most 10 ports stay below both limits.
 */
const MAX_BYTES = { notifications: 3_000, omitted: 500, title: 250, id: 100, tag: 100 };
const MAX_NOTIFICATIONS = 10;

/** ntfy shows text as it is: Markdown is off unless a message asks for it (https://docs.ntfy.sh/publish/#markdown-formatting). */
const format: TextFormat = { ...PLAIN, measure: countJsonBytes };

/** https://docs.ntfy.sh/publish/#message-priority: 5 is "max", 4 "high", 3 the default. */
const PRIORITIES: Readonly<Record<Severity, number>> = { critical: 5, warning: 4, info: 3 };

const fit = (text: string, maxBytes: number): string => escapeToFit(text, maxBytes, format);

/** Formats a message for https://docs.ntfy.sh/publish/#publish-as-json. */
export const ntfyBody = (message: Message, { url }: Pick<RequestContext, 'url'>) => {
  const { notifications } = message;
  const isSingle = notifications.length === 1;
  const { shown, omitted } = selectGravest(
    notifications,
    { maxCount: MAX_NOTIFICATIONS, maxLength: MAX_BYTES.notifications },
    (notification) => {
      const { title, summary, rows } = formatNotification(notification, format);
      const lines = [summary, ...rows.map(({ name, text }) => `${name}: ${text}`)];
      return { proxy: notification.proxy, text: (isSingle ? lines : [title, ...lines]).join('\n') };
    },
    ({ text }) => countJsonBytes(text),
  );
  const [first] = notifications;
  const title =
    isSingle && first ? titleOf(first, MAX_BYTES.title, format) : fit(subjectOf(message), MAX_BYTES.title);
  return {
    topic: topicOf(url),
    title,
    message: [
      ...shown.map(({ text }) => text),
      ...omittedLines(omitted, MAX_BYTES.omitted, format),
      `steadyport ${fit(message.id, MAX_BYTES.id)}`,
    ].join('\n\n'),
    priority: Math.max(...notifications.map(({ severity }) => PRIORITIES[severity])),
    tags: ['steadyport', ...new Set(shown.map(({ proxy }) => fit(proxy, MAX_BYTES.tag)))],
  };
};

/** The last part of the path. kinds/channels/ntfy.ts has made sure that it is a topic. */
const topicOf = ({ pathname }: URL): string => pathname.slice(pathname.lastIndexOf('/') + 1);

/** JSON is published to the server's root: with a topic in the path it would be taken for the text of a message. */
const toServerRoot = (url: URL): URL => {
  const root = new URL(url);
  root.pathname = url.pathname.slice(0, url.pathname.lastIndexOf('/') + 1);
  return root;
};

export const ntfy: EventSender = {
  delivers: 'events',
  toRequest: (message, { url }) => ({ body: ntfyBody(message, { url }), url: toServerRoot(url) }),
};
