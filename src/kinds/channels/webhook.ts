import type { ChannelKind } from './channel-kind.ts';

/** https://prometheus.io/docs/alerting/latest/configuration/#webhook_config */
export const webhook = {
  name: 'webhook',
  variable: 'WEBHOOK_URL',
  example: 'https://example.org/alerts',
  description: 'the JSON that Alertmanager sends to webhooks (version 4), and `id` at its top',
} as const satisfies ChannelKind;
