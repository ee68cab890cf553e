/**
 * The room alerting: makes notifications from what the monitor knows of the ports, and delivers them to the channels.
 * policy/ decides what is announced, deliveries.ts sends it, and channels/ has the format of each receiver.
 */

import { inspect } from 'node:util';
import type { AlertsConfig } from '../config/config.ts';
import { createEdgeLogger } from '../logging/edge-logger.ts';
import type { Log } from '../logging/logger.ts';
import type { AlertsStatus, HeldBack } from '../status/snapshot.ts';
import { createDebug } from '../system/debug.ts';
import { type Audience, type Audiences, announcedTo, audiencesOf, withAnnounced } from './audiences.ts';
import type { Channels } from './channels/channel.ts';
import { type Clock, SYSTEM_CLOCK } from './clock.ts';
import { Deliveries } from './deliveries.ts';
import type { DeliveryCounts } from './delivery.ts';
import { type AlertState, evaluate, INITIAL_ALERT_STATE, silence } from './policy/alert-manager.ts';
import { enqueue, removeUnconfigured } from './policy/delivery-queue.ts';
import { initialAnnouncements } from './policy/incident-tracker.ts';
import type { Message } from './policy/notification.ts';
import { heldBackOf } from './policy/patience.ts';
import type { MonitorView, ProxyView } from './policy/proxy-view.ts';
import { createQuietHours } from './policy/quiet-hours.ts';
import { type AlertFile, type AlertStore, openAlertStore } from './store.ts';

/** Announces the changes of the ports on all channels. {@link startNotifier} makes it. */
export interface Notifier {
  /** Evaluates the ports within {@link DEBOUNCE_MS}. Returns at once; several calls in that time are one evaluation. */
  evaluateSoon(): void;
  /** Begins a silence of so many `minutes`, in which no event channel gets anything; 0 ends the silence. */
  silence(minutes: number): void;
  status(): AlertsStatus;
  /** The counts that are in alerts.json, unless the disk is full. */
  counts(): DeliveryCounts;
  /** Waits at most {@link STOP_TIMEOUT_MS} for what is under way. The next monitor sends the rest. */
  stop(): Promise<void>;
}

export interface NotifierDeps {
  /** The path of alerts.json. */
  readonly path: string;
  readonly config: AlertsConfig;
  readonly channels: Channels;
  readonly log: Log;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** The present facts about each port. */
  proxies(): readonly ProxyView[];
  /** The present facts about the monitor itself. Default: it has no problem. */
  monitor?(): MonitorView;
}

/** Changes within this time are evaluated together. */
const DEBOUNCE_MS = 200;
/** The longest time between two evaluations: reminders, and the end of quiet hours or of a silence, come with time alone. */
const MAX_IDLE_MS = 5_000;
/** A part of the 1.5 s that the monitor has for its own end. */
const STOP_TIMEOUT_MS = 500;

const debug = createDebug('alert');

/** Starts the notifier. What it announces is in alerts.json before it is sent. The monitor does not wait for deliveries. */
export const startNotifier = (deps: NotifierDeps): Notifier => {
  const { path, config, channels, log, clock = SYSTEM_CLOCK } = deps;
  const store = openAlertStore(path, log);
  const audiences = audiencesOf(channels, config);
  const deliveries = new Deliveries({ channels, audiences, store, log, clock });
  const evaluator = createEvaluator(deps, { audiences, store, deliveries, clock });
  const hasChannels = channels.eventChannels.length + channels.stateChannels.length > 0;

  dropUnconfigured(store, namesOf(channels.eventChannels), log);
  dropOtherStates(store, audiences);
  if (!hasChannels) store.update({ alertState: INITIAL_ALERT_STATE });
  if (hasChannels) evaluator.evaluateNow();

  return {
    evaluateSoon: () => {
      if (hasChannels) evaluator.evaluateSoon();
    },
    silence: (minutes) => {
      const endsAt = minutes > 0 ? clock.now() + minutes * 60_000 : 0;
      store.update(silenceAll(store.read(), endsAt));
      if (minutes > 0) log('alerts_silenced', `Alerts are silenced for ${minutes} min`);
      else log('alerts_unsilenced', 'Alerts are no longer silenced');
      if (hasChannels) evaluator.evaluateNow();
    },
    status: () => {
      const { silenceEndsAt } = store.read().alertState;
      const views = deps.proxies();
      return {
        silenceEndsAt: silenceEndsAt > clock.now() ? silenceEndsAt : null,
        heldBack: audiences.flatMap((audience) =>
          heldBackFrom(audience, announcedTo(store.read(), audience), views, clock.now()),
        ),
        deferred: Math.max(
          ...audiences.map((audience) => countDeferred(announcedTo(store.read(), audience))),
        ),
        channels: deliveries.channelStatus(),
      };
    },
    counts: () => store.read().counts,
    stop: async () => {
      evaluator.stop();
      await deliveries.stop(STOP_TIMEOUT_MS);
    },
  };
};

interface EvaluatorDeps {
  readonly audiences: Audiences;
  readonly store: AlertStore;
  readonly deliveries: Deliveries;
  readonly clock: Clock;
}

interface Evaluator {
  evaluateNow(): void;
  evaluateSoon(): void;
  stop(): void;
}

/** Compares what is announced with what is known, puts the new messages into the outbox, and starts what is due. */
const createEvaluator = (
  { config, proxies, monitor, log }: NotifierDeps,
  { audiences, store, deliveries, clock }: EvaluatorDeps,
): Evaluator => {
  const isQuiet = createQuietHours(config.quietHours);
  const runId = clock.now().toString(36);
  const errors = createEdgeLogger({
    onFail: (error) => log('alerts_error', '⚠️  The alerts cannot be evaluated; trying again', { error }),
    onRecover: () => log('alerts_error_over', 'The alerts can be evaluated again'),
  });
  let isStopped = false;
  let lastEvaluatedAt = clock.now();
  let cancelTimer = (): void => {};

  const queueNewMessages = (now: number): void => {
    const views = proxies();
    const monitorView = monitor?.();
    // One update for all: a monitor that is killed in between would tell one audience twice, or another never.
    let file = store.read();
    for (const audience of audiences) {
      const moment = { now, isQuiet: isQuiet(now), runId: [runId, audience.kind].filter(Boolean).join('-') };
      const next = evaluate(announcedTo(file, audience), views, moment, audience.policy, monitorView);
      for (const message of next.messages) debug('queues message %s: %s', message.id, summaryOf(message));
      const outbox = enqueue(file.outbox, audience.eventChannels, next.messages);
      file = { ...file, ...withAnnounced(file, audience, next.state), outbox };
    }
    store.update(file);
  };

  const msUntilNext = (now: number): number => {
    const groupEndTimes = audiences.flatMap((audience) => {
      const { groupStartedAt } = announcedTo(store.read(), audience);
      return groupStartedAt === null ? [] : [groupStartedAt + config.groupWaitMs];
    });
    const dueTimes = [...groupEndTimes, ...deliveries.dueTimes()].filter((dueAt) => dueAt > now);
    return Math.min(MAX_IDLE_MS, ...dueTimes.map((dueAt) => dueAt - now));
  };

  const evaluateIn = (ms: number): void => {
    cancelTimer();
    if (!isStopped) cancelTimer = clock.after(ms, evaluateNow);
  };

  const evaluateNow = (): void => {
    if (isStopped) return;
    const now = clock.now();
    lastEvaluatedAt = now;
    try {
      queueNewMessages(now);
      deliveries.startDue(now, evaluateNow);
      errors.succeeded();
    } catch (error) {
      errors.failed(inspect(error));
    }
    evaluateIn(msUntilNext(now));
  };

  return {
    evaluateNow,
    evaluateSoon: () => evaluateIn(Math.max(0, DEBOUNCE_MS - Math.abs(clock.now() - lastEvaluatedAt))),
    stop: () => {
      isStopped = true;
      cancelTimer();
    },
  };
};

const heldBackFrom = (
  { channels, policy }: Audience,
  { proxies: announced }: AlertState,
  proxies: readonly ProxyView[],
  now: number,
): readonly HeldBack[] =>
  channels.length === 0
    ? []
    : proxies.flatMap((proxy) => {
        const held = heldBackOf(announced[proxy.name] ?? initialAnnouncements(proxy), proxy, now, policy);
        return held ? [{ ...held, channels }] : [];
      });

const countDeferred = ({ deferred }: AlertState): number =>
  deferred.notifications.length + deferred.omittedCount;

const silenceAll = ({ alertState, ownStates }: AlertFile, endsAt: number): Partial<AlertFile> => ({
  alertState: silence(alertState, endsAt),
  ownStates: Object.fromEntries(
    Object.entries(ownStates).map(([kind, state]) => [kind, silence(state, endsAt)]),
  ),
});

/** Drops the announced states of channels that have no settings of their own any more: they share that of all others. */
const dropOtherStates = (store: AlertStore, audiences: Audiences): void => {
  const { ownStates } = store.read();
  const kept = Object.entries(ownStates).filter(([name]) => audiences.some(({ kind }) => kind === name));
  if (kept.length < Object.keys(ownStates).length) store.update({ ownStates: Object.fromEntries(kept) });
};

/** Drops the queues of the channels that are no longer configured. */
const dropUnconfigured = (store: AlertStore, eventChannelNames: readonly string[], log: Log): void => {
  const { outbox, dropped } = removeUnconfigured(store.read().outbox, eventChannelNames);
  for (const { name, count } of dropped)
    log('alerts_lost', `⚠️  ${name} is no longer configured: ${count} alerts that waited for it are dropped`);
  store.update({ outbox });
};

const namesOf = (channels: readonly { readonly name: string }[]): readonly string[] =>
  channels.map(({ name }) => name);

/** "down tcp-proxy-6274, recovered tcp-proxy-6277" */
const summaryOf = ({ notifications }: Message): string =>
  notifications.map(({ kind, proxy }) => `${kind} ${proxy}`).join(', ');
