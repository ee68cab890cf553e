import type { AlertsConfig } from '../config/config.ts';
import type { Log } from '../logging/logger.ts';
import type { AlertsStatus } from '../status/snapshot.ts';
import type { Channels, EventChannel, StateChannel } from './channels/registry.ts';
import { afterSend, NEVER_SENT, type SyncState, shouldSend } from './policy/active-alert-sync.ts';
import { acknowledge, alertsFor, evaluate, INITIAL_ALERT_STATE, silence } from './policy/alert-manager.ts';
import {
  afterAttempt,
  countQueued,
  EMPTY_QUEUE,
  enqueue,
  nextMessage,
  type Outcome,
  type Queue,
  removeUnconfigured,
} from './policy/delivery-queue.ts';
import type { ProxyView } from './policy/messages.ts';
import type { ActiveAlert, Delivery } from './policy/notification.ts';
import { createQuietHours } from './policy/quiet-hours.ts';
import { type AlertFile, addOutcome, type DeliveryCounts, openAlertStore } from './store.ts';

export interface Notifier {
  /** Something may have changed. Returns at once; several calls of one moment are one look. */
  evaluateSoon(): void;
  /** Nothing is said for so many minutes; 0: from now on everything again. */
  silence(minutes: number): void;
  status(): AlertsStatus;
  /** What it gives is in the file by then, unless the disk is full. */
  counts(): DeliveryCounts;
  /** What is on its way is let arrive for a moment; what is not is sent by the next monitor. */
  stop(): Promise<void>;
}

/** The time of day, and what comes later: set by hand in tests. */
export interface Clock {
  now(): number;
  /** @returns what takes it back */
  after(ms: number, run: () => void): () => void;
  /** 0 to 1. */
  random(): number;
}

export interface NotifierDeps {
  /** Of alerts.json. */
  readonly path: string;
  readonly config: AlertsConfig;
  readonly channels: Channels;
  readonly log: Log;
  readonly clock?: Clock;
  /** What is known of each port, now. */
  proxies(): readonly ProxyView[];
}

/** Changes that come together are looked at together. */
const DEBOUNCE_MS = 200;
/** What comes with time alone (reminders, the end of quiet hours or of a silence) waits for so long at most. */
const MAX_IDLE_MS = 5_000;
/** Of the 1.5 s that the monitor has to leave. */
const STOP_TIMEOUT_MS = 500;

/**
 * Tells people: what is to be said goes into a file, then out, each channel in its own time. Nobody waits for it.
 */
export const startNotifier = ({
  path,
  config,
  channels,
  log,
  proxies,
  clock = SYSTEM_CLOCK,
}: NotifierDeps): Notifier => {
  const { eventChannels, stateChannels } = channels;
  const eventChannelNames = eventChannels.map(({ name }) => name);
  const policy = { ...config, stateChannels: stateChannels.map(({ name }) => name) };
  const hasChannels = eventChannels.length + stateChannels.length > 0;
  const isQuiet = createQuietHours(config.quietHours);
  const runId = clock.now().toString(36);
  const syncStates = new Map<string, SyncState>();
  const inFlight = new Map<string, Promise<void>>();
  const abortController = new AbortController();
  const store = openAlertStore(path, log);
  let isStopped = false;
  let lastEvaluatedAt = clock.now();
  let cancelTimer = (): void => {};

  const evaluateNow = (): void => {
    if (isStopped) return;
    const now = clock.now();
    lastEvaluatedAt = now;
    const { alertState, outbox } = store.read();
    const next = evaluate(alertState, proxies(), { now, isQuiet: isQuiet(now), runId }, policy);
    store.update({ alertState: next.state, outbox: enqueue(outbox, eventChannelNames, next.messages) });
    for (const channel of eventChannels) sendNext(channel, now);
    for (const channel of stateChannels) sendState(channel, now);
    evaluateIn(Math.min(MAX_IDLE_MS, ...dueTimes().flatMap((dueAt) => (dueAt > now ? [dueAt - now] : []))));
  };

  const evaluateIn = (ms: number): void => {
    cancelTimer();
    if (!isStopped) cancelTimer = clock.after(ms, evaluateNow);
  };

  const queueOf = (name: string): Queue => store.read().outbox[name] ?? EMPTY_QUEUE;
  const syncStateOf = (name: string): SyncState => syncStates.get(name) ?? NEVER_SENT;
  const problemOf = (name: string): string | null => syncStateOf(name).problem ?? queueOf(name).problem;

  const sendNext = ({ name, send: sendTo }: EventChannel, now: number): void => {
    const message = nextMessage(queueOf(name), now);
    if (!message || inFlight.has(name) || store.read().alertState.silenceEndsAt > now) return;
    dispatch(name, sendTo(message, abortController.signal), (delivery) => {
      const { queue, outcome } = afterAttempt(queueOf(name), delivery, clock.now(), clock.random());
      return { outcome, change: { outbox: { ...store.read().outbox, [name]: queue } } };
    });
  };

  /** In a silence, too: it says nothing new, and what is not said again would be taken for over. */
  const sendState = ({ name, sendAll }: StateChannel, now: number): void => {
    const { alertState } = store.read();
    const alerts = alertsFor(alertState, name);
    const syncState = syncStateOf(name);
    if (inFlight.has(name) || !shouldSend(syncState, alerts, now)) return;
    dispatch(name, sendAll(alerts, abortController.signal), (delivery) => {
      syncStates.set(name, afterSend(syncState, alerts, delivery, clock.now(), clock.random()));
      const change = (resolved: readonly ActiveAlert[]): Partial<AlertFile> => ({
        alertState: acknowledge(store.read().alertState, name, resolved),
      });
      if (delivery.ok) return { outcome: 'sent', change: change(alerts) };
      // What goes on is tried again: as another list it may be taken.
      const resolved = alerts.filter(({ endsAt }) => endsAt !== null);
      const isDropped = delivery.isFinal && resolved.length > 0;
      return isDropped ? { outcome: 'dropped', change: change(resolved) } : { outcome: 'failed', change: {} };
    });
  };

  /** One at a time: the next one goes when it is kept what became of this one. */
  const dispatch = (
    name: string,
    sending: Promise<Delivery>,
    onDelivery: (delivery: Delivery) => { readonly outcome: Outcome; readonly change: Partial<AlertFile> },
  ): void => {
    const done = sending.then((delivery) => {
      if (abortController.signal.aborted) return;
      inFlight.delete(name);
      const previousProblem = problemOf(name);
      const { outcome, change } = onDelivery(delivery);
      store.update({ ...change, counts: addOutcome(store.read().counts, name, outcome) });
      logOutcome(log, name, { previousProblem, problem: delivery.ok ? '' : delivery.problem }, outcome);
      evaluateNow();
    });
    inFlight.set(name, done);
  };

  const dueTimes = (): number[] => {
    const { groupStartedAt } = store.read().alertState;
    const group = groupStartedAt === null ? [] : [groupStartedAt + config.groupWaitMs];
    const queued = eventChannelNames
      .filter((name) => queueOf(name).items.length > 0)
      .map((name) => queueOf(name).nextAttemptAt);
    return [...group, ...queued, ...[...syncStates.values()].map(({ nextAttemptAt }) => nextAttemptAt)];
  };

  const { outbox, dropped } = removeUnconfigured(store.read().outbox, eventChannelNames);
  for (const { name, count } of dropped)
    log('alerts_lost', `⚠️  ${name} is no longer configured: ${count} alerts that waited for it are dropped`);
  store.update({ outbox, ...(hasChannels ? {} : { alertState: INITIAL_ALERT_STATE }) });
  if (hasChannels) evaluateNow();

  return {
    evaluateSoon: () => {
      const elapsedMs = Math.abs(clock.now() - lastEvaluatedAt);
      if (hasChannels) evaluateIn(Math.max(0, DEBOUNCE_MS - elapsedMs));
    },
    silence: (minutes) => {
      const endsAt = minutes > 0 ? clock.now() + minutes * 60_000 : 0;
      store.update({ alertState: silence(store.read().alertState, endsAt) });
      log(
        minutes > 0 ? 'alerts_silenced' : 'alerts_unsilenced',
        minutes > 0 ? `Alerts are silenced for ${minutes} min` : 'Alerts are no longer silenced',
      );
      if (hasChannels) evaluateNow();
    },
    status: () => {
      const { silenceEndsAt } = store.read().alertState;
      const channelNames = [...eventChannelNames, ...policy.stateChannels];
      return {
        silenceEndsAt: silenceEndsAt > clock.now() ? silenceEndsAt : null,
        channels: channelNames.map((name) => ({
          ...{ name, waiting: countQueued(queueOf(name)), problem: problemOf(name) },
        })),
      };
    },
    counts: () => store.read().counts,
    stop: async () => {
      isStopped = true;
      cancelTimer();
      const timeout = new Promise<void>((done) => clock.after(STOP_TIMEOUT_MS, done));
      if (inFlight.size > 0) await Promise.race([Promise.all(inFlight.values()), timeout]);
      abortController.abort();
    },
  };
};

/** The first failure, and its end, are of interest; not every try. */
const logOutcome = (
  log: Log,
  name: string,
  { previousProblem, problem }: { readonly previousProblem: string | null; readonly problem: string },
  outcome: Outcome,
): void => {
  if (outcome === 'sent' && previousProblem !== null)
    log('delivery_recovered', `Alerts to ${name} arrive again`);
  if (outcome === 'dropped')
    log('alert_dropped', `⚠️  ${name} does not take an alert, which is dropped: ${problem}`);
  if (outcome === 'failed' && previousProblem === null)
    log('delivery_failed', `⚠️  Alerts to ${name} do not arrive: ${problem}; trying again`);
};

const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
