import type { Log } from '../logging/logger.ts';
import type { AlertsStatus } from '../status/snapshot.ts';
import { createDebug } from '../system/debug.ts';
import { type Audience, type Audiences, announcedTo, audienceOf, withAnnounced } from './audiences.ts';
import type { Channels, EventChannel, StateChannel } from './channels/channel.ts';
import type { Clock } from './clock.ts';
import type { Delivery, Outcome } from './delivery.ts';
import { afterSend, NEVER_SENT, type SyncState, shouldSend } from './policy/active-alert-sync.ts';
import { acknowledge, alertsFor } from './policy/active-alerts.ts';
import { afterAttempt, countQueued, EMPTY_QUEUE, nextMessage, type Queue } from './policy/delivery-queue.ts';
import type { ActiveAlert } from './policy/notification.ts';
import { type AlertFile, type AlertStore, addOutcome } from './store.ts';

const debug = createDebug('alert');

export interface DeliveriesDeps {
  readonly channels: Channels;
  readonly audiences: Audiences;
  readonly store: AlertStore;
  readonly log: Log;
  readonly clock: Clock;
}

/** The consequences of a receiver's answer. */
interface Result {
  readonly outcome: Outcome;
  /** The changes to alerts.json. */
  readonly change: Partial<AlertFile>;
}

/** Sends what the store has for each channel: one delivery at a time a channel, and no channel waits for another. */
export class Deliveries {
  readonly #deps: DeliveriesDeps;
  readonly #syncStates = new Map<string, SyncState>();
  readonly #inFlight = new Map<string, Promise<void>>();
  readonly #abortController = new AbortController();

  constructor(deps: DeliveriesDeps) {
    this.#deps = deps;
  }

  /**
   * Starts each delivery that is due at `now`.
   * @param onSettled called after each of them, when its outcome is in the store
   */
  startDue(now: number, onSettled: () => void): void {
    const { eventChannels, stateChannels } = this.#deps.channels;
    for (const channel of eventChannels) this.#sendMessage(channel, now, onSettled);
    for (const channel of stateChannels) this.#sendAlerts(channel, now, onSettled);
  }

  /** The times at which the next deliveries are due, in wall-clock milliseconds. A delivery under way is due in the past. */
  dueTimes(): readonly number[] {
    const queues = this.#deps.channels.eventChannels.map(({ name }) => this.#queueOf(name));
    return [
      ...queues.filter(({ items }) => items.length > 0).map(({ nextAttemptAt }) => nextAttemptAt),
      ...[...this.#syncStates.values()].map(({ nextAttemptAt }) => nextAttemptAt),
    ];
  }

  channelStatus(): AlertsStatus['channels'] {
    const { eventChannels, stateChannels } = this.#deps.channels;
    return [...eventChannels, ...stateChannels].map(({ name }) => ({
      name,
      waiting: countQueued(this.#queueOf(name)),
      problem: this.#problemOf(name),
    }));
  }

  /**
   * Waits for the deliveries that are under way, then aborts them.
   * @param timeoutMs the longest time that it waits
   */
  async stop(timeoutMs: number): Promise<void> {
    const timeout = new Promise<void>((done) => this.#deps.clock.after(timeoutMs, done));
    if (this.#inFlight.size > 0) await Promise.race([Promise.all(this.#inFlight.values()), timeout]);
    this.#abortController.abort();
  }

  #queueOf(name: string): Queue {
    return this.#deps.store.read().outbox[name] ?? EMPTY_QUEUE;
  }

  #syncStateOf(name: string): SyncState {
    return this.#syncStates.get(name) ?? NEVER_SENT;
  }

  #problemOf(name: string): string | null {
    return this.#syncStateOf(name).problem ?? this.#queueOf(name).problem;
  }

  #sendMessage({ name, send }: EventChannel, now: number, onSettled: () => void): void {
    const { store, clock } = this.#deps;
    const message = nextMessage(this.#queueOf(name), now);
    const isSilenced = store.read().alertState.silenceEndsAt > now;
    if (!message || this.#inFlight.has(name) || isSilenced) return;
    debug('%s: sends message %s', name, message.id);
    const record = (delivery: Delivery): Result => {
      const { queue, outcome } = afterAttempt(this.#queueOf(name), delivery, clock.now(), clock.random());
      return { outcome, change: { outbox: { ...store.read().outbox, [name]: queue } } };
    };
    this.#track(name, send(message, this.#abortController.signal), record, onSettled);
  }

  /** Sends in a silence, too: it announces nothing new, and an alert that is not repeated would end by itself. */
  #sendAlerts(channel: StateChannel, now: number, onSettled: () => void): void {
    const { audiences, store, clock } = this.#deps;
    const { name, sendAll } = channel;
    const audience = audienceOf(audiences, channel);
    const alerts = alertsFor(announcedTo(store.read(), audience), name, audience.policy.minSeverity);
    const syncState = this.#syncStateOf(name);
    if (this.#inFlight.has(name) || !shouldSend(syncState, alerts, now)) return;
    debug('%s: sends %d alerts', name, alerts.length);
    const record = (delivery: Delivery): Result => {
      this.#syncStates.set(name, afterSend(syncState, alerts, delivery, clock.now(), clock.random()));
      return this.#recordAlerts(name, audience, alerts, delivery);
    };
    this.#track(name, sendAll(alerts, this.#abortController.signal), record, onSettled);
  }

  #recordAlerts(
    name: string,
    audience: Audience,
    alerts: readonly ActiveAlert[],
    delivery: Delivery,
  ): Result {
    const file = this.#deps.store.read();
    const acknowledged = (ended: readonly ActiveAlert[]): Partial<AlertFile> =>
      withAnnounced(file, audience, acknowledge(announcedTo(file, audience), name, ended));
    if (delivery.ok) return { outcome: 'sent', change: acknowledged(alerts) };
    // Only the ends are dropped. What is still active is tried again, since another list may be accepted.
    const resolved = alerts.filter(({ endsAt }) => endsAt !== null);
    return delivery.isFinal && resolved.length > 0
      ? { outcome: 'dropped', change: acknowledged(resolved) }
      : { outcome: 'failed', change: {} };
  }

  /** Writes the outcome into the store before anything else is sent to the channel. */
  #track(
    name: string,
    sending: Promise<Delivery>,
    record: (delivery: Delivery) => Result,
    onSettled: () => void,
  ): void {
    const { store, log } = this.#deps;
    const settled = sending.then((delivery) => {
      if (this.#abortController.signal.aborted) return;
      this.#inFlight.delete(name);
      const previousProblem = this.#problemOf(name);
      const { outcome, change } = record(delivery);
      debug('%s: %s', name, delivery.ok ? outcome : `${outcome}: ${delivery.problem}`);
      store.update({ ...change, counts: addOutcome(store.read().counts, name, outcome) });
      logOutcome(log, name, outcome, delivery, previousProblem);
      onSettled();
    });
    this.#inFlight.set(name, settled);
  }
}

/**
 * Logs the first failure, the first success after it, and each alert that is dropped. This is no edge logger: the previous
 * problem is in alerts.json, and may be of the monitor before this one.
 */
const logOutcome = (
  log: Log,
  name: string,
  outcome: Outcome,
  delivery: Delivery,
  previousProblem: string | null,
): void => {
  const problem = delivery.ok ? '' : delivery.problem;
  if (outcome === 'sent' && previousProblem !== null)
    log('delivery_recovered', `Alerts to ${name} arrive again`);
  if (outcome === 'dropped')
    log('alert_dropped', `⚠️  ${name} does not take an alert, which is dropped: ${problem}`);
  if (outcome === 'failed' && previousProblem === null)
    log('delivery_failed', `⚠️  Alerts to ${name} do not arrive: ${problem}; trying again`);
};
