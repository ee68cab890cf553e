import type { Severity } from '../../kinds/channels/severity.ts';
import { isFinalStatus } from '../http-client.ts';
import type { Message } from '../policy/notification.ts';
import type { EventSender } from './channel.ts';
import {
  countJsonBytes,
  escapeToFit,
  formatNotification,
  formatUtc,
  omittedLines,
  PLAIN,
  selectGravest,
  subjectOf,
  type TextFormat,
} from './text.ts';

/**
 * The flow bot posts at most about 28 kB (https://learn.microsoft.com/en-us/connectors/teams/#known-issues-and-limitations
 * -with-actions); some have found 21 kB (MSTEAMS_MESSAGE_SIZE_LIMIT in https://www.rubydoc.info/gems/msteams_hermes). The
 * parts stay below that together, as bytes of JSON.
 */
const MAX_BYTES = { notifications: 17_000, omitted: 1_000, subject: 1_000, id: 100 };
const MAX_NOTIFICATIONS = 30;

/** Text is not escaped: Markdown is not supported in a TextRun (https://learn.microsoft.com/en-us/adaptive-cards/schema-explorer/text-run). */
const format: TextFormat = { ...PLAIN, measure: countJsonBytes };

/** https://learn.microsoft.com/en-us/adaptive-cards/schema-explorer/container */
const STYLES: Readonly<Record<Severity, string>> = {
  critical: 'attention',
  warning: 'warning',
  info: 'good',
};

interface TextRun {
  readonly type: 'TextRun';
  readonly text: string;
  readonly weight?: 'Bolder';
  readonly size?: 'Small' | 'Medium';
  readonly isSubtle?: boolean;
}

const toParagraph = (...inlines: readonly Omit<TextRun, 'type'>[]) => ({
  type: 'RichTextBlock',
  inlines: inlines.map((inline): TextRun => ({ type: 'TextRun', ...inline })),
});

/**
 * Formats a message for the trigger "When a Teams webhook request is received", whose template posts each attachment
 * (https://learn.microsoft.com/en-us/connectors/teams/#microsoft-teams-webhook). The card has version 1.2, the first with a
 * RichTextBlock.
 */
export const teamsBody = (message: Message) => {
  const { shown, omitted } = selectGravest(
    message.notifications,
    { maxCount: MAX_NOTIFICATIONS, maxLength: MAX_BYTES.notifications },
    (notification) => {
      const { title, summary, rows } = formatNotification(notification, PLAIN);
      return {
        type: 'Container',
        style: STYLES[notification.severity],
        items: [
          toParagraph({ text: title, weight: 'Bolder', size: 'Medium' }),
          toParagraph({ text: summary }),
          ...rows.map(({ name, text }) => toParagraph({ text: `${name}: `, weight: 'Bolder' }, { text })),
        ],
      };
    },
    countJsonBytes,
  );
  const footer = `${formatUtc(message.createdAt)}  steadyport ${escapeToFit(message.id, MAX_BYTES.id, format)}`;
  const card = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.2',
    fallbackText: escapeToFit(subjectOf(message), MAX_BYTES.subject, format),
    msteams: { width: 'Full' },
    body: [
      ...shown,
      ...omittedLines(omitted, MAX_BYTES.omitted, format).map((text) => toParagraph({ text })),
      toParagraph({ text: footer, size: 'Small', isSubtle: true }),
    ],
  };
  return {
    type: 'message',
    attachments: [
      { contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content: card },
    ],
  };
};

/** The code of a workflow that is turned off. It can be turned on, and what waits then arrives. */
const TURNED_OFF = /WorkflowTriggerIsNotEnabled/;

export const teams: EventSender = {
  delivers: 'events',
  toRequest: (message) => ({ body: teamsBody(message) }),
  isFinal: (status, answer) => isFinalStatus(status) && !TURNED_OFF.test(answer),
};
