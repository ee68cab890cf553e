import { Secret, type Secrets } from '../../config/secrets.ts';
import { request } from '../http-client.ts';
import type { ActiveAlert, Delivery, Message } from '../policy/notification.ts';
import { alertmanagerBody } from './alertmanager.ts';
import { discordBody } from './discord.ts';
import { slackBody } from './slack.ts';
import { webhookBody } from './webhook.ts';

export interface Channel {
  /** "slack", "discord", "webhook": for the log, the status and the metric's label. */
  readonly name: string;
  /** One try; never rejects; ends within 10 s (its own time-out) or when the signal aborts. */
  send(message: Message, signal: AbortSignal): Promise<Delivery>;
}

/** Alertmanager is told a level, not an event: all alerts that go on, and those that ended since it last took them. */
export interface LevelChannel {
  readonly name: string;
  sendAll(alerts: readonly ActiveAlert[], signal: AbortSignal): Promise<Delivery>;
}

export interface Channels {
  readonly events: readonly Channel[];
  readonly levels: readonly LevelChannel[];
}

/**
 * The channels that are configured.
 * @param page the monitor's address for people, null when it has none
 */
export const openChannels = (secrets: Secrets, page: string | null = null): Channels => {
  const { slack, discord, webhook, alertmanager } = secrets;
  const event = (name: string, secret: Secret | null, toBody: (message: Message) => unknown): Channel[] =>
    secret === null
      ? []
      : [
          {
            name,
            send: (message, signal) => request(secret, { method: 'POST', body: toBody(message) }, signal),
          },
        ];
  return {
    events: [
      ...event('slack', slack, slackBody),
      ...event('discord', discord, discordBody),
      ...event('webhook', webhook, (message) => webhookBody(message, page)),
    ],
    levels: alertmanager === null ? [] : [openAlertmanager(alertmanager, page)],
  };
};

const openAlertmanager = (base: Secret, page: string | null): LevelChannel => {
  const url = base.reveal();
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/api/v2/alerts`;
  const alerts = new Secret(url);
  return {
    name: 'alertmanager',
    sendAll: (active, signal) =>
      request(alerts, { method: 'POST', body: alertmanagerBody(active, Date.now(), page) }, signal),
  };
};
