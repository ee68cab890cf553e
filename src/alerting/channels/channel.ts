import type { Delivery } from '../delivery.ts';
import type { ActiveAlert, Message } from '../policy/notification.ts';

/** A channel that gets each message once, such as Slack. */
export interface EventChannel {
  /** Its name in the log, the status and the metrics' label `channel`. */
  readonly name: string;
  /** Tries once; never rejects; ends within 10 s (its own time-out) or when the signal aborts. */
  send(message: Message, signal: AbortSignal): Promise<Delivery>;
}

/** A channel that gets a state instead of events: all active alerts, and those that ended since it last accepted a list. */
export interface StateChannel {
  readonly name: string;
  /** Works like {@link EventChannel.send}. */
  sendAll(alerts: readonly ActiveAlert[], signal: AbortSignal): Promise<Delivery>;
}

export interface Channels {
  readonly eventChannels: readonly EventChannel[];
  readonly stateChannels: readonly StateChannel[];
}

/** The addresses that a body may need besides the message. */
export interface FormatContext {
  /** The URL as it is configured. It is a secret. */
  readonly url: URL;
  /** The monitor's address for people; null when it has none. */
  readonly pageUrl: string | null;
}

/** The format of an event channel: it writes a message. */
export interface EventFormat {
  readonly delivers: 'events';
  /** @returns the JSON of the request */
  toBody(message: Message, context: FormatContext): unknown;
  /** The URL that is called. Default: the configured one. */
  toEndpoint?(url: URL): URL;
}

/** The format of a state channel: it writes a list of alerts. */
export interface StateFormat {
  readonly delivers: 'state';
  /** @param now wall-clock milliseconds */
  toBody(alerts: readonly ActiveAlert[], context: FormatContext, now: number): unknown;
  toEndpoint?(url: URL): URL;
}

export type ChannelFormat = EventFormat | StateFormat;
