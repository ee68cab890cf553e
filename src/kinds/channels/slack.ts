import type { ChannelKind } from './channel-kind.ts';

/** https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks */
export const slack = {
  name: 'slack',
  variable: 'SLACK_WEBHOOK_URL',
  example: 'https://hooks.slack.com/services/T…/B…/…',
  description: "a message, with times in the reader's own zone",
} as const satisfies ChannelKind;
