import { Secret, type Secrets } from '../../config/secrets.ts';
import { request } from '../http-client.ts';
import type { ActiveAlert, Delivery, Message } from '../policy/notification.ts';
import { alertmanagerBody } from './alertmanager.ts';
import { discordBody } from './discord.ts';
import { slackBody } from './slack.ts';
import { webhookBody } from './webhook.ts';

export interface EventChannel {
  /** "slack", "discord", "webhook": for the log, the status and the metric's label. */
  readonly name: string;
  /** One try; never rejects; ends within 10 s (its own time-out) or when the signal aborts. */
  send(message: Message, signal: AbortSignal): Promise<Delivery>;
}

/** Alertmanager is told a level, not an event: all alerts that go on, and those that ended since it last took them. */
export interface StateChannel {
  readonly name: string;
  sendAll(alerts: readonly ActiveAlert[], signal: AbortSignal): Promise<Delivery>;
}

export interface Channels {
  readonly eventChannels: readonly EventChannel[];
  readonly stateChannels: readonly StateChannel[];
}

/**
 * The channels that are configured.
 * @param pageUrl the monitor's address for people, null when it has none
 */
export const createChannels = (secrets: Secrets, pageUrl: string | null = null): Channels => {
  const { slack, discord, webhook, alertmanager } = secrets;
  const eventChannel = (
    name: string,
    secret: Secret | null,
    toBody: (message: Message) => unknown,
  ): EventChannel[] =>
    secret === null
      ? []
      : [
          {
            name,
            send: (message, signal) => request(secret, { method: 'POST', body: toBody(message) }, signal),
          },
        ];
  return {
    eventChannels: [
      ...eventChannel('slack', slack, slackBody),
      ...eventChannel('discord', discord, discordBody),
      ...eventChannel('webhook', webhook, (message) => webhookBody(message, pageUrl)),
    ],
    stateChannels: alertmanager === null ? [] : [createAlertmanagerChannel(alertmanager, pageUrl)],
  };
};

const createAlertmanagerChannel = (baseUrl: Secret, pageUrl: string | null): StateChannel => {
  const url = baseUrl.reveal();
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/api/v2/alerts`;
  const alertsUrl = new Secret(url);
  return {
    name: 'alertmanager',
    sendAll: (alerts, signal) =>
      request(alertsUrl, { method: 'POST', body: alertmanagerBody(alerts, Date.now(), pageUrl) }, signal),
  };
};
