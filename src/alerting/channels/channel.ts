import type { Secret } from '../../config/secrets.ts';
import type { ChannelName } from '../../kinds/channels/registry.ts';
import type { Delivery } from '../delivery.ts';
import type { ActiveAlert, Message } from '../policy/notification.ts';

/** A channel that gets each message once, such as Slack. */
export interface EventChannel {
  readonly kind: ChannelName;
  /** Its name in the log, the status and the metrics' label `channel`. */
  readonly name: string;
  /** Tries once; never rejects; ends at its own time-out or soon after the signal aborts. */
  send(message: Message, signal: AbortSignal): Promise<Delivery>;
}

/** A channel that gets a state instead of events: all active alerts, and those that ended since it last accepted a list. */
export interface StateChannel {
  readonly kind: ChannelName;
  readonly name: string;
  /** Works like {@link EventChannel.send}. */
  sendAll(alerts: readonly ActiveAlert[], signal: AbortSignal): Promise<Delivery>;
}

export interface Channels {
  readonly eventChannels: readonly EventChannel[];
  readonly stateChannels: readonly StateChannel[];
}

/** The facts that a request may need besides what it is about. */
export interface RequestContext {
  /** A copy of the configured URL, which is a secret. */
  readonly url: URL;
  /** The monitor's address for people; null when it has none. */
  readonly pageUrl: string | null;
  /** Wall-clock milliseconds. */
  readonly now: number;
}

/** A channel over HTTP: it only writes the request, which is a POST. */
interface HttpSender<Content> {
  toRequest(
    content: Content,
    context: RequestContext,
  ): {
    /** Sent as JSON. */
    readonly body: unknown;
    /** The URL that is called. Default: the configured one. */
    readonly url?: URL;
  };
  /** True when an answer says that the message will never be accepted. Default: isFinalStatus of http-client.ts. */
  isFinal?(status: number, answer: string): boolean;
}

export interface DeliverContext {
  /** The value of the channel's variable. */
  readonly secret: Secret;
  readonly pageUrl: string | null;
  /** Aborts when the monitor stops. */
  readonly signal: AbortSignal;
}

/** A channel that sends by other means. */
interface DirectSender<Content> {
  /** Works like {@link EventChannel.send}. */
  deliver(content: Content, context: DeliverContext): Promise<Delivery>;
}

export type Sender<Content> = HttpSender<Content> | DirectSender<Content>;

/** The way in which an event channel sends a message. */
export type EventSender = { readonly delivers: 'events' } & Sender<Message>;
/** The way in which a state channel sends a list of alerts. */
export type StateSender = { readonly delivers: 'state' } & Sender<readonly ActiveAlert[]>;
