import type { ChannelKind } from './channel-kind.ts';

/** https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml */
export const alertmanager = {
  name: 'alertmanager',
  variable: 'ALERTMANAGER_URL',
  example: 'http://localhost:9093',
  description:
    'alerts by its API v2, under this address; of several that work as one, all addresses, with commas between them',
  isList: true,
} as const satisfies ChannelKind;
