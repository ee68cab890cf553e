import type { ChannelKind } from './channel-kind.ts';

export const command = {
  name: 'command',
  variable: 'ALERT_COMMAND',
  example: '/usr/local/bin/on-alert',
  description: 'a program of yours, with the JSON of `WEBHOOK_URL` on its stdin',
  check: (value) => (value.startsWith('/') ? null : 'the absolute path of a program, without arguments'),
  isProgram: true,
} as const satisfies ChannelKind;
