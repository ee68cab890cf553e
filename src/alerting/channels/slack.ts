import type { Message } from '../policy/notification.ts';
import { choose, fit, headlineOf, moreOf, type Script, utc, wordsOf } from './text.ts';

/**
 * A message has at most 50 blocks, a section's text 3,000 characters
 * (https://docs.slack.dev/reference/block-kit/blocks). All blocks together are refused (`msg_blocks_too_long`) from
 * about 13,000 characters on, which is not documented (https://github.com/slackapi/bolt-js/issues/2509).
 */
const MOST = { notices: 40, characters: 9_000, text: 1_000, more: 1_000 };

/** https://docs.slack.dev/messaging/formatting-message-text: three characters, and dates in the reader's own time. */
const script: Script = {
  escape: (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
  time: (atMs) =>
    `<!date^${Math.floor(atMs / 1_000)}^{date_short_pretty} {time_secs}|${utc(atMs)}> (${utc(atMs)})`,
};

interface Block {
  readonly type: 'section' | 'context';
  readonly [key: string]: unknown;
}

/** For an incoming webhook: `text` is what a notification shows. https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks */
export const slackBody = (message: Message): { readonly text: string; readonly blocks: readonly Block[] } => {
  const { shown, left } = choose(
    message.notices,
    { most: MOST.notices, mostCharacters: MOST.characters },
    (notice) => {
      const { title, what, rows } = wordsOf(notice, script);
      return [`*${title}*`, what, ...rows.map(({ name, text }) => `*${name}:* ${text}`)].join('\n');
    },
    (text) => text.length,
  );
  const more = left.length === 0 ? [] : [section(fit(moreOf(left), MOST.more, script.escape))];
  const note = `${script.time(message.atMs)}  steadyport ${fit(message.id, 100, script.escape)}`;
  return {
    text: fit(headlineOf(message), MOST.text, script.escape),
    blocks: [...shown.map(section), ...more, { type: 'context', elements: [{ type: 'mrkdwn', text: note }] }],
  };
};

const section = (text: string): Block => ({ type: 'section', text: { type: 'mrkdwn', text } });
