/**
 * The room kinds/channels: each channel for alerts as a pure declaration, one file a channel. secrets.ts, alert-test,
 * .env.example and the table of docs/alerts.md are made from the list in this file or compared with it.
 */

import { alertmanager } from './alertmanager.ts';
import type { ChannelKind } from './channel-kind.ts';
import { command } from './command.ts';
import { discord } from './discord.ts';
import { email } from './email.ts';
import { ntfy } from './ntfy.ts';
import { slack } from './slack.ts';
import { teams } from './teams.ts';
import { telegram } from './telegram.ts';
import { webhook } from './webhook.ts';

/**
 * All channels, in the order in which people see them. What they send is in alerting/channels/registry.ts: a channel that is
 * in only one of the two lists does not compile.
 */
export const CHANNELS = [
  slack,
  discord,
  teams,
  telegram,
  ntfy,
  email,
  webhook,
  command,
  alertmanager,
] as const satisfies readonly ChannelKind[];

export type ChannelName = (typeof CHANNELS)[number]['name'];
