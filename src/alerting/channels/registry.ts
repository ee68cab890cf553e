/**
 * The room alerting/channels: what each receiver gets, one file a channel. text.ts and alertmanager-format.ts have what
 * several of them share.
 */

import type { Secret, Secrets } from '../../config/secrets.ts';
import { CHANNELS, type ChannelName } from '../../kinds/channels/registry.ts';
import type { Delivery } from '../delivery.ts';
import { request } from '../http-client.ts';
import { alertmanager } from './alertmanager.ts';
import type { ChannelFormat, Channels, EventChannel, StateChannel } from './channel.ts';
import { discord } from './discord.ts';
import { ntfy } from './ntfy.ts';
import { slack } from './slack.ts';
import { webhook } from './webhook.ts';

/** The formats by channel. A channel of kinds/channels/registry.ts that has none here does not compile. */
const FORMATS: Readonly<Record<ChannelName, ChannelFormat>> = {
  slack,
  discord,
  ntfy,
  webhook,
  alertmanager,
};

/**
 * The channels that are configured.
 * @param pageUrl the monitor's address for people, null when it has none
 */
export const createChannels = (secrets: Secrets, pageUrl: string | null = null): Channels => {
  const eventChannels: EventChannel[] = [];
  const stateChannels: StateChannel[] = [];
  for (const { name } of CHANNELS) {
    const secret = secrets[name];
    if (secret === null) continue;
    const format = FORMATS[name];
    const post = createPost(secret, format);
    const context = { url: secret.reveal(), pageUrl };
    if (format.delivers === 'events')
      eventChannels.push({
        name,
        send: (message, signal) => post(format.toBody(message, context), signal),
      });
    else
      stateChannels.push({
        name,
        sendAll: (alerts, signal) => post(format.toBody(alerts, context, Date.now()), signal),
      });
  }
  return { eventChannels, stateChannels };
};

type Post = (body: unknown, signal: AbortSignal) => Promise<Delivery>;

const createPost =
  (secret: Secret, { toEndpoint }: ChannelFormat): Post =>
  (body, signal) => {
    const url = secret.reveal();
    return request(secret, { method: 'POST', body, url: toEndpoint ? toEndpoint(url) : url }, signal);
  };
