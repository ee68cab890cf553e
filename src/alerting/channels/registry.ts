/**
 * The room alerting/channels: what each receiver gets, one file a channel. text.ts and alertmanager-format.ts have what
 * several of them share.
 */

import type { Secret, Secrets } from '../../config/secrets.ts';
import type { ChannelKind } from '../../kinds/channels/channel-kind.ts';
import { CHANNELS, type ChannelName } from '../../kinds/channels/registry.ts';
import type { Delivery } from '../delivery.ts';
import { request } from '../http-client.ts';
import { alertmanager } from './alertmanager.ts';
import type { Channels, EventChannel, EventSender, Sender, StateChannel, StateSender } from './channel.ts';
import { command } from './command.ts';
import { discord } from './discord.ts';
import { email } from './email.ts';
import { ntfy } from './ntfy.ts';
import { slack } from './slack.ts';
import { teams } from './teams.ts';
import { telegram } from './telegram.ts';
import { webhook } from './webhook.ts';

/** The senders by channel. A channel of kinds/channels/registry.ts that has none here does not compile. */
export const SENDERS: Readonly<Record<ChannelName, EventSender | StateSender>> = {
  slack,
  discord,
  teams,
  telegram,
  ntfy,
  email,
  webhook,
  command,
  alertmanager,
};

/**
 * The channels that are configured.
 * @param pageUrl the address of the monitor's page at the moment; null while it has none, as when another process holds the
 * port. Default: none
 */
export const createChannels = (secrets: Secrets, pageUrl: PageUrl = () => null): Channels => {
  const eventChannels: EventChannel[] = [];
  const stateChannels: StateChannel[] = [];
  for (const { kind, name, secret } of receiversOf(secrets)) {
    const sender = SENDERS[kind];
    if (sender.delivers === 'events')
      eventChannels.push({ kind, name, send: createSend(sender, secret, pageUrl) });
    else stateChannels.push({ kind, name, sendAll: createSend(sender, secret, pageUrl) });
  }
  return { eventChannels, stateChannels };
};

interface ReceiverSecret {
  readonly kind: ChannelName;
  /** Unique: "alertmanager", and "alertmanager-2" for the second of a list. */
  readonly name: string;
  readonly secret: Secret;
}

/** The configured receivers. Each of a list is told, and tried again, by itself. */
const receiversOf = (secrets: Secrets): readonly ReceiverSecret[] => {
  const kinds: readonly ({ readonly name: ChannelName } & Pick<ChannelKind, 'isList'>)[] = CHANNELS;
  return kinds.flatMap(({ name: kind, isList }) => {
    const secret = secrets[kind];
    const parts = secret === null ? [] : isList ? secret.split() : [secret];
    return parts.map((part, index) => ({
      kind,
      name: index === 0 ? kind : `${kind}-${index + 1}`,
      secret: part,
    }));
  });
};

type PageUrl = () => string | null;

const createSend =
  <Content>(sender: Sender<Content>, secret: Secret, pageUrl: PageUrl) =>
  (content: Content, signal: AbortSignal): Promise<Delivery> => {
    if ('deliver' in sender) return sender.deliver(content, { secret, pageUrl: pageUrl(), signal });
    const context = { url: secret.revealUrl(), pageUrl: pageUrl(), now: Date.now() };
    return request(
      secret,
      { method: 'POST', ...sender.toRequest(content, context), isFinal: sender.isFinal },
      signal,
    );
  };
