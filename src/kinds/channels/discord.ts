import type { ChannelKind } from './channel-kind.ts';

/** https://discord.com/developers/docs/resources/webhook#execute-webhook */
export const discord = {
  name: 'discord',
  variable: 'DISCORD_WEBHOOK_URL',
  example: 'https://discord.com/api/webhooks/…/…',
  description: 'an embed for each port, which mentions nobody; `?thread_id=…` goes too',
} as const satisfies ChannelKind;
