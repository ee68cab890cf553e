import { formatDuration } from '../../lib/duration.ts';
import type { Message, Notification, NotificationKind, Severity } from '../policy/notification.ts';

const HEADINGS: Readonly<Record<NotificationKind, string>> = {
  down: '🚨 Down',
  restarted: '🔄 Restarted',
  gave_up: '🛑 Given up',
  recovered: '✅ Up again',
  flapping: '🔁 Flapping',
  steady: '✅ Steady again',
  reminder: '⏰ Reminder',
  warning: '⚠️ Warning',
  test: '🔔 Test',
};

/** How a channel writes: what user-given text must not do there, and its own form of a time. */
export interface TextFormat {
  escape(text: string): string;
  formatTime(at: number): string;
}

/** The parts of a notice in the order in which they are read; `text` is as the channel wants it. */
export interface NotificationText {
  readonly title: string;
  readonly summary: string;
  readonly rows: readonly { readonly name: string; readonly text: string }[];
}

/** At most so many characters each, as they are sent. */
const MAX_LENGTH = { title: 200, summary: 700, row: 400 };

/** What, since when, why, what was done, what to do. */
export const formatNotification = (notification: Notification, format: TextFormat): NotificationText => {
  const { summary, startedAt, endedAt } = notification;
  // Discord refuses a field without a text.
  const row = (name: string, text: string | null) =>
    text === null || text.trim() === ''
      ? []
      : [{ name, text: truncate(text, MAX_LENGTH.row, format.escape) }];
  const period =
    endedAt === null
      ? { name: 'Since', text: format.formatTime(startedAt) }
      : {
          name: 'From, to',
          text: `${format.formatTime(startedAt)}, ${format.formatTime(endedAt)} (${formatDuration(endedAt - startedAt)})`,
        };
  return {
    title: truncate(titleOf(notification), MAX_LENGTH.title, format.escape),
    summary: truncate(summary, MAX_LENGTH.summary, format.escape),
    rows: [
      ...(notification.kind === 'test' ? [] : [period]),
      ...row('Why', notification.reason),
      ...row('Done', notification.actionTaken),
      ...row('To do', notification.nextStep),
    ],
  };
};

/** "🚨 Down: MCP Inspector Web UI (tcp-proxy-6274)" */
const titleOf = ({ kind, label, proxy }: Notification): string =>
  `${HEADINGS[kind]}: ${label === '' || label === proxy ? proxy : `${label} (${proxy})`}`;

/** All in a line, for what shows one line only: "🚨 Down: 6274, 6277; ✅ Up again: 8080". */
export const headlineOf = ({ notifications }: Message): string => {
  const [only, ...rest] = notifications;
  if (only && rest.length === 0) return `${titleOf(only)}. ${only.summary}`;
  const kinds = [...new Set(notifications.map(({ kind }) => kind))];
  return kinds
    .map(
      (kind) =>
        `${HEADINGS[kind]}: ${namesOf(notifications.filter((notification) => notification.kind === kind))}`,
    )
    .join('; ');
};

/** "… and 23 more: tcp-proxy-1, tcp-proxy-2" */
export const omittedText = (omitted: readonly Notification[]): string =>
  `… and ${omitted.length} more: ${namesOf(omitted)}`;

const namesOf = (notifications: readonly Notification[]): string =>
  notifications.map(({ proxy }) => proxy).join(', ');

const SEVERITY_RANK: Readonly<Record<Severity, number>> = { critical: 0, warning: 1, info: 2 };

/**
 * As many as a message takes, the gravest first, and those that are left.
 * @param length of what `render` made, in characters as they are sent
 */
export const selectGravest = <T>(
  notifications: readonly Notification[],
  { maxCount, maxCharacters }: { readonly maxCount: number; readonly maxCharacters: number },
  render: (notification: Notification) => T,
  length: (rendered: T) => number,
): { readonly shown: readonly T[]; readonly omitted: readonly Notification[] } => {
  const sorted = notifications.toSorted((a, b) => SEVERITY_RANK[a.severity] - SEVERITY_RANK[b.severity]);
  const shown: T[] = [];
  let charactersLeft = maxCharacters;
  for (const notification of sorted) {
    const next = render(notification);
    charactersLeft -= length(next);
    if (charactersLeft < 0 || shown.length === maxCount) break;
    shown.push(next);
  }
  return { shown, omitted: sorted.slice(shown.length) };
};

/**
 * Encodes `text` (escapes it) and cuts it to `most` characters (UTF-16 units, which are never fewer than code points), with an
 * ellipsis; never inside a code point or an escape. Line breaks and control characters become spaces.
 */
export const truncate = (text: string, maxLength: number, encode: (text: string) => string): string => {
  const clean = text.replace(/\p{Cs}/gu, '\ufffd').replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
  const encoded = encode(clean);
  if (encoded.length <= maxLength) return encoded;
  let truncated = '';
  for (const codePoint of clean) {
    const next = truncated + encode(codePoint);
    if (next.length > maxLength - 1) break;
    truncated = next;
  }
  return `${truncated}…`;
};

/** "2026-11-27 04:05:06 UTC" */
export const formatUtc = (at: number): string =>
  `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
