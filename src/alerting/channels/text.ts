import { SEVERITIES, type Severity } from '../../kinds/channels/severity.ts';
import { formatDuration } from '../../lib/duration.ts';
import type { Message, Notification, NotificationKind } from '../policy/notification.ts';

const HEADINGS: Readonly<Record<NotificationKind, string>> = {
  down: '🚨 Down',
  restarted: '🔄 Restarted',
  gave_up: '🛑 Given up',
  recovered: '✅ Up again',
  flapping: '🔁 Flapping',
  steady: '✅ Steady again',
  reminder: '⏰ Reminder',
  warning: '⚠️ Warning',
  problem: '⚠️ Problem of the monitor',
  solved: '✅ Solved',
  test: '🔔 Test',
};

/** How a channel takes a text that is not its own. */
export interface Escaping {
  /** Escapes a text from outside, so that it contains no markup and no mention. */
  escape(text: string): string;
  /** The length of an escaped text in the channel's own unit. Default: UTF-16 units, which are never fewer than code points. */
  measure?(escaped: string): number;
}

/** A channel's rules for text. */
export interface TextFormat extends Escaping {
  /** @param at wall-clock milliseconds */
  formatTime(at: number): string;
}

/** The parts of a notification in the order in which they are read, escaped for the channel. */
export interface NotificationText {
  readonly title: string;
  readonly summary: string;
  readonly rows: readonly { readonly name: string; readonly text: string }[];
}

/** The longest parts, in the unit of {@link Escaping.measure}. */
const MAX_LENGTH = { title: 200, titleInSubject: 120, summary: 700, row: 400 };

/** Says what is wrong, since when, why, what was done and what to do. */
export const formatNotification = (notification: Notification, format: TextFormat): NotificationText => {
  const { summary, startedAt, endedAt } = notification;
  // Discord refuses a field without a text.
  const row = (name: string, text: string | null) =>
    text === null || text.trim() === '' ? [] : [{ name, text: escapeToFit(text, MAX_LENGTH.row, format) }];
  const period =
    endedAt === null
      ? { name: 'Since', text: format.formatTime(startedAt) }
      : {
          name: 'From, to',
          text: `${format.formatTime(startedAt)}, ${format.formatTime(endedAt)} (${formatDuration(endedAt - startedAt)})`,
        };
  return {
    title: titleOf(notification, MAX_LENGTH.title, format),
    summary: escapeToFit(summary, MAX_LENGTH.summary, format),
    rows: [
      ...(notification.kind === 'test' ? [] : [period]),
      ...row('Why', notification.reason),
      ...row('Done', notification.actionTaken),
      ...row('To do', notification.nextStep),
    ],
  };
};

/**
 * "🚨 Down on devbox: MCP Inspector Web UI (tcp-proxy-6274)", escaped and cut to `maxLength`. Of a long one the label is cut, and
 * the proxy's name stays.
 */
export const titleOf = (
  { kind, label, proxy, host }: Notification,
  maxLength: number,
  format: Escaping,
): string => {
  const heading = headingOf(kind, host);
  return label === '' || label === proxy
    ? escapeToFit(`${heading}: ${proxy}`, maxLength, format)
    : escapeToFit(`${heading}: ${label}`, maxLength, format, ` (${proxy})`);
};

const headingOf = (kind: NotificationKind, host: string): string =>
  host === '' ? HEADINGS[kind] : `${HEADINGS[kind]} on ${host}`;

/** The subject of a message, which says all of it in one line: "🚨 Down on devbox: 6274, 6277; ✅ Up again on devbox: 8080". */
export const subjectOf = ({ notifications }: Message): string => {
  const [only, ...rest] = notifications;
  if (only && rest.length === 0) return `${titleOf(only, MAX_LENGTH.titleInSubject, PLAIN)}. ${only.summary}`;
  const headings = [...new Set(notifications.map(({ kind, host }) => headingOf(kind, host)))];
  return headings
    .map(
      (heading) =>
        `${heading}: ${namesOf(notifications.filter(({ kind, host }) => headingOf(kind, host) === heading))}`,
    )
    .join('; ');
};

/** The line of a message that names what is omitted, "… and 23 more: tcp-proxy-1, tcp-proxy-2"; none when nothing is. */
export const omittedLines = (
  omitted: readonly Notification[],
  maxLength: number,
  format: Escaping,
): readonly string[] =>
  omitted.length === 0
    ? []
    : [escapeToFit(`… and ${omitted.length} more: ${namesOf(omitted)}`, maxLength, format)];

const namesOf = (notifications: readonly Notification[]): string =>
  notifications.map(({ proxy }) => proxy).join(', ');

const rankOf = (severity: Severity): number => SEVERITIES.indexOf(severity);

/** The severity of the gravest notification. */
export const gravestSeverity = (notifications: readonly Notification[]): Severity =>
  notifications
    .map(({ severity }) => severity)
    .reduce((gravest, severity) => (rankOf(severity) < rankOf(gravest) ? severity : gravest), 'info');

/**
 * Selects the notifications that fit into a message, the gravest first, and lists the others as omitted.
 * @param length the length of what `render` made, in the unit of `maxLength`
 */
export const selectGravest = <T>(
  notifications: readonly Notification[],
  { maxCount, maxLength }: { readonly maxCount: number; readonly maxLength: number },
  render: (notification: Notification) => T,
  length: (rendered: T) => number,
): { readonly shown: readonly T[]; readonly omitted: readonly Notification[] } => {
  const sorted = notifications.toSorted((a, b) => rankOf(a.severity) - rankOf(b.severity));
  const shown: T[] = [];
  let lengthLeft = maxLength;
  for (const notification of sorted) {
    const next = render(notification);
    lengthLeft -= length(next);
    if (lengthLeft < 0 || shown.length === maxCount) break;
    shown.push(next);
  }
  return { shown, omitted: sorted.slice(shown.length) };
};

/**
 * Escapes `text` and cuts it to `maxLength`, with an ellipsis where it was cut. The cut is never inside a code point or an
 * escape. Line breaks and control characters become spaces.
 * @param end follows the text, and is not cut. Default: nothing
 */
export const escapeToFit = (text: string, maxLength: number, format: Escaping, end = ''): string => {
  const { measure = countUtf16Units } = format;
  const clean = text.replace(/\p{Cs}/gu, '\ufffd').replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
  const escapedEnd = format.escape(end);
  const escaped = format.escape(clean) + escapedEnd;
  if (measure(escaped) <= maxLength) return escaped;
  const maxKept = maxLength - measure(`…${escapedEnd}`);
  let kept = '';
  for (const codePoint of clean) {
    const next = kept + format.escape(codePoint);
    if (measure(next) > maxKept) break;
    kept = next;
  }
  return `${kept}…${escapedEnd}`;
};

/** Escapes the three characters that are markup between the tags of HTML. */
export const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const countUtf16Units = (text: string): number => text.length;

/** The length of a value as bytes of JSON, the two quotes of a string included. */
export const countJsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** "2026-11-27 04:05:06 UTC" */
export const formatUtc = (at: number): string =>
  `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

/** The rules of a channel that shows text as it is. */
export const PLAIN: TextFormat = { escape: (text) => text, formatTime: formatUtc };
