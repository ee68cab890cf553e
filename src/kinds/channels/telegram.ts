import { type ChannelKind, parseHttpUrl } from './channel-kind.ts';

/** The path of the method, for Telegram's own server and for one of your own (https://core.telegram.org/bots/api#making-requests). */
const PATH = /\/bot\d+:[-\w]+\/sendMessage$/;
/** The number of a chat, or the name of a public group or channel. */
const CHAT_ID = /^(-?\d+|@\w+)$/;
const TOPIC_ID = /^\d+$/;

/** https://core.telegram.org/bots/api#sendmessage */
export const telegram = {
  name: 'telegram',
  variable: 'TELEGRAM_URL',
  example: 'https://api.telegram.org/bot123456:TOKEN/sendMessage?chat_id=-1001234567890',
  description:
    "a bot's message, which mentions nobody; `&message_thread_id=…` for a topic, `&disable_notification=true` for no sound",
  check: (value) => {
    const url = parseHttpUrl(value);
    if (url === null || !PATH.test(url.pathname))
      return "an http or https URL with a bot's token and the method sendMessage in its path";
    if (!CHAT_ID.test(url.searchParams.get('chat_id') ?? ''))
      return 'a chat_id in its query, which is a number or @name';
    if (!TOPIC_ID.test(url.searchParams.get('message_thread_id') ?? '0'))
      return 'a message_thread_id that is the number of a topic';
    return null;
  },
} as const satisfies ChannelKind;
