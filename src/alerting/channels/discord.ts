import type { Message, Severity } from '../policy/notification.ts';
import { choose, fit, headlineOf, moreOf, type Script, utc, type Words, wordsOf } from './text.ts';

/**
 * 10 embeds; titles, descriptions, fields and footers of all of them 6,000 characters together; content 2,000
 * (https://discord.com/developers/docs/resources/message#embed-object-embed-limits). The limits of the parts (256, 4,096,
 * 1,024, 25 fields) are never reached by those of words.ts.
 */
const MOST = { notices: 10, characters: 5_700, content: 1_000, footer: 120 };

/** https://support.discord.com/hc/en-us/articles/210298617: a backslash before what would be markdown or a mention. */
const script: Script = {
  escape: (text) => text.replace(/[\\*_~`|<>#@[\]]/g, '\\$&'),
  time: (atMs) => `<t:${Math.floor(atMs / 1_000)}:F> (${utc(atMs)})`,
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

/** For https://discord.com/developers/docs/resources/webhook#execute-webhook; it mentions nobody. */
export const discordBody = (message: Message) => {
  // A footer shows text as it is.
  const footer = { text: fit(`steadyport ${message.id}`, MOST.footer, (text) => text) };
  const timestamp = new Date(message.atMs).toISOString();
  const { shown, left } = choose(
    message.notices,
    { most: MOST.notices, mostCharacters: MOST.characters },
    (notice): Embed => ({
      ...embed(wordsOf(notice, script)),
      color: COLOURS[notice.severity],
      timestamp,
      footer,
    }),
    length,
  );
  const more = left.length === 0 ? [] : [fit(moreOf(left), MOST.content, script.escape)];
  return {
    content: [fit(headlineOf(message), MOST.content - 1, script.escape), ...more].join('\n'),
    embeds: shown,
    allowed_mentions: { parse: [] },
  };
};

const embed = ({ title, what, rows }: Words) => ({
  title,
  description: what,
  fields: rows.map(({ name, text }) => ({ name, value: text })),
});

const length = ({ title, description, fields, footer }: Embed): number =>
  fields.reduce(
    (sum, { name, value }) => sum + name.length + value.length,
    title.length + description.length + footer.text.length,
  );
