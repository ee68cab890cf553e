import { formatSeconds } from '../../lib/duration.ts';
import type { Message, Notice, NoticeKind, Severity } from '../policy/notification.ts';

const HEADINGS: Readonly<Record<NoticeKind, string>> = {
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
export interface Script {
  escape(text: string): string;
  time(atMs: number): string;
}

/** The parts of a notice in the order in which they are read; `text` is as the channel wants it. */
export interface Words {
  readonly title: string;
  readonly what: string;
  readonly rows: readonly { readonly name: string; readonly text: string }[];
}

/** At most so many characters each, as they are sent. */
const MOST = { title: 200, what: 700, row: 400 };

/** What, since when, why, what was done, what to do. */
export const wordsOf = (notice: Notice, script: Script): Words => {
  const { what, fromMs, toMs } = notice;
  // Discord refuses a field without a text.
  const row = (name: string, text: string | null) =>
    text === null || text.trim() === '' ? [] : [{ name, text: fit(text, MOST.row, script.escape) }];
  const when =
    toMs === null
      ? { name: 'Since', text: script.time(fromMs) }
      : {
          name: 'From, to',
          text: `${script.time(fromMs)}, ${script.time(toMs)} (${formatSeconds(toMs - fromMs)})`,
        };
  return {
    title: fit(titleOf(notice), MOST.title, script.escape),
    what: fit(what, MOST.what, script.escape),
    rows: [
      ...(notice.kind === 'test' ? [] : [when]),
      ...row('Why', notice.why),
      ...row('Done', notice.done),
      ...row('To do', notice.todo),
    ],
  };
};

/** "🚨 Down: MCP Inspector Web UI (tcp-proxy-6274)" */
const titleOf = ({ kind, label, proxy }: Notice): string =>
  `${HEADINGS[kind]}: ${label === '' || label === proxy ? proxy : `${label} (${proxy})`}`;

/** All in a line, for what shows one line only: "🚨 Down: 6274, 6277; ✅ Up again: 8080". */
export const headlineOf = ({ notices }: Message): string => {
  const [only, ...others] = notices;
  if (only && others.length === 0) return `${titleOf(only)}. ${only.what}`;
  const kinds = [...new Set(notices.map(({ kind }) => kind))];
  return kinds
    .map((kind) => `${HEADINGS[kind]}: ${namesOf(notices.filter((notice) => notice.kind === kind))}`)
    .join('; ');
};

/** "… and 23 more: tcp-proxy-1, tcp-proxy-2" */
export const moreOf = (left: readonly Notice[]): string => `… and ${left.length} more: ${namesOf(left)}`;

const namesOf = (notices: readonly Notice[]): string => notices.map(({ proxy }) => proxy).join(', ');

const GRAVITY: Readonly<Record<Severity, number>> = { critical: 0, warning: 1, info: 2 };

/**
 * As many as a message takes, the gravest first, and those that are left.
 * @param length of what `render` made, in characters as they are sent
 */
export const choose = <T>(
  notices: readonly Notice[],
  { most, mostCharacters }: { readonly most: number; readonly mostCharacters: number },
  render: (notice: Notice) => T,
  length: (rendered: T) => number,
): { readonly shown: readonly T[]; readonly left: readonly Notice[] } => {
  const sorted = notices.toSorted((one, other) => GRAVITY[one.severity] - GRAVITY[other.severity]);
  const shown: T[] = [];
  let room = mostCharacters;
  for (const notice of sorted) {
    const next = render(notice);
    room -= length(next);
    if (room < 0 || shown.length === most) break;
    shown.push(next);
  }
  return { shown, left: sorted.slice(shown.length) };
};

/**
 * Encodes `text` (escapes it) and cuts it to `most` characters (UTF-16 units, which are never fewer than code points), with an
 * ellipsis; never inside a code point or an escape. Line breaks and control characters become spaces.
 */
export const fit = (text: string, most: number, encode: (text: string) => string): string => {
  const clean = text.replace(/\p{Cs}/gu, '\ufffd').replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
  const whole = encode(clean);
  if (whole.length <= most) return whole;
  let cut = '';
  for (const point of clean) {
    const next = cut + encode(point);
    if (next.length > most - 1) break;
    cut = next;
  }
  return `${cut}…`;
};

/** "2026-11-27 04:05:06 UTC" */
export const utc = (atMs: number): string =>
  `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
