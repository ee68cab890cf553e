import type { AlertsConfig } from '../config/config.ts';
import type { Log } from '../logging/logger.ts';
import type { AlertsStatus } from '../status/snapshot.ts';
import type { Channel, Channels, LevelChannel } from './channels/registry.ts';
import { isToTell, NOTHING_TOLD, type Standing, toldLevel } from './policy/active-alert-sync.ts';
import { activeFor, NOTHING_SAID, observe, silence, taken } from './policy/alert-manager.ts';
import {
  countWaiting,
  EMPTY,
  nextIn,
  type Outcome,
  post,
  type Queue,
  settle,
  withoutOthers,
} from './policy/delivery-queue.ts';
import type { Seen } from './policy/messages.ts';
import type { ActiveAlert, Delivery } from './policy/notification.ts';
import { createQuietHours } from './policy/quiet-hours.ts';
import { type Counts, counted, type Kept, openKeeping } from './store.ts';

export interface Notifier {
  /** Something may have changed. Returns at once; several calls of one moment are one look. */
  look(): void;
  /** Nothing is said for so many minutes; 0: from now on everything again. */
  silence(minutes: number): void;
  status(): AlertsStatus;
  /** What it gives is in the file by then, unless the disk is full. */
  counts(): Counts;
  /** What is on its way is let arrive for a moment; what is not is sent by the next monitor. */
  stop(): Promise<void>;
}

/** The time of day, and what comes later: set by hand in tests. */
export interface Clock {
  nowMs(): number;
  /** @returns what takes it back */
  after(ms: number, run: () => void): () => void;
  /** 0 to 1. */
  chance(): number;
}

export interface Dependencies {
  /** Of alerts.json. */
  readonly path: string;
  readonly config: AlertsConfig;
  readonly channels: Channels;
  readonly log: Log;
  readonly clock?: Clock;
  /** What is known of each port, now. */
  seen(): readonly Seen[];
}

/** Changes that come together are looked at together. */
const LOOK_PAUSE_MS = 200;
/** What comes with time alone (reminders, the end of quiet hours or of a silence) waits for so long at most. */
const IDLE_MS = 5_000;
/** Of the 1.5 s that the monitor has to leave. */
const LAST_MS = 500;

/**
 * Tells people: what is to be said goes into a file, then out, each channel in its own time. Nobody waits for it.
 */
export const startNotifier = ({
  path,
  config,
  channels,
  log,
  seen,
  clock = REAL,
}: Dependencies): Notifier => {
  const { events, levels } = channels;
  const names = events.map(({ name }) => name);
  const policy = { ...config, levels: levels.map(({ name }) => name) };
  const hasChannels = events.length + levels.length > 0;
  const isQuiet = createQuietHours(config.quietHours);
  const run = clock.nowMs().toString(36);
  const standings = new Map<string, Standing>();
  const underWay = new Map<string, Promise<void>>();
  const abort = new AbortController();
  const keeping = openKeeping(path, log);
  let isStopped = false;
  let lookedAtMs = clock.nowMs();
  let cancel = (): void => {};

  const look = (): void => {
    if (isStopped) return;
    const atMs = clock.nowMs();
    lookedAtMs = atMs;
    const { alerting, outbox } = keeping.kept();
    const next = observe(alerting, seen(), { atMs, isQuiet: isQuiet(atMs), run }, policy);
    keeping.keep({ alerting: next.state, outbox: post(outbox, names, next.messages) });
    for (const channel of events) send(channel, atMs);
    for (const channel of levels) sendLevel(channel, atMs);
    wake(Math.min(IDLE_MS, ...dueTimes().flatMap((dueMs) => (dueMs > atMs ? [dueMs - atMs] : []))));
  };

  const wake = (ms: number): void => {
    cancel();
    if (!isStopped) cancel = clock.after(ms, look);
  };

  const queueOf = (name: string): Queue => keeping.kept().outbox[name] ?? EMPTY;
  const standingOf = (name: string): Standing => standings.get(name) ?? NOTHING_TOLD;
  const problemOf = (name: string): string | null => standingOf(name).problem ?? queueOf(name).problem;

  const send = ({ name, send: sendTo }: Channel, atMs: number): void => {
    const message = nextIn(queueOf(name), atMs);
    if (!message || underWay.has(name) || keeping.kept().alerting.silenceEndsAt > atMs) return;
    dispatch(name, sendTo(message, abort.signal), (delivery) => {
      const { queue, outcome } = settle(queueOf(name), delivery, clock.nowMs(), clock.chance());
      return { outcome, change: { outbox: { ...keeping.kept().outbox, [name]: queue } } };
    });
  };

  /** In a silence, too: it says nothing new, and what is not said again would be taken for over. */
  const sendLevel = ({ name, sendAll }: LevelChannel, atMs: number): void => {
    const { alerting } = keeping.kept();
    const alerts = activeFor(alerting, name);
    const standing = standingOf(name);
    if (underWay.has(name) || !isToTell(standing, alerts, atMs)) return;
    dispatch(name, sendAll(alerts, abort.signal), (delivery) => {
      standings.set(name, toldLevel(standing, alerts, delivery, clock.nowMs(), clock.chance()));
      const change = (over: readonly ActiveAlert[]): Partial<Kept> => ({
        alerting: taken(keeping.kept().alerting, name, over),
      });
      if (delivery.ok) return { outcome: 'sent', change: change(alerts) };
      // What goes on is tried again: as another list it may be taken.
      const over = alerts.filter(({ endsAtMs }) => endsAtMs !== null);
      const isDropped = delivery.isFinal && over.length > 0;
      return isDropped ? { outcome: 'dropped', change: change(over) } : { outcome: 'failed', change: {} };
    });
  };

  /** One at a time: the next one goes when it is kept what became of this one. */
  const dispatch = (
    name: string,
    sending: Promise<Delivery>,
    settled: (delivery: Delivery) => { readonly outcome: Outcome; readonly change: Partial<Kept> },
  ): void => {
    const done = sending.then((delivery) => {
      if (abort.signal.aborted) return;
      underWay.delete(name);
      const before = problemOf(name);
      const { outcome, change } = settled(delivery);
      keeping.keep({ ...change, counts: counted(keeping.kept().counts, name, outcome) });
      tellLog(log, name, { before, now: delivery.ok ? '' : delivery.problem }, outcome);
      look();
    });
    underWay.set(name, done);
  };

  const dueTimes = (): number[] => {
    const { groupSinceMs } = keeping.kept().alerting;
    const group = groupSinceMs === null ? [] : [groupSinceMs + config.groupWaitMs];
    const queued = names
      .filter((name) => queueOf(name).items.length > 0)
      .map((name) => queueOf(name).nextAtMs);
    return [...group, ...queued, ...[...standings.values()].map(({ nextAtMs }) => nextAtMs)];
  };

  const { outbox, lost } = withoutOthers(keeping.kept().outbox, names);
  for (const { name, count } of lost)
    log('alerts_lost', `⚠️  ${name} is no longer configured: ${count} alerts that waited for it are dropped`);
  keeping.keep({ outbox, ...(hasChannels ? {} : { alerting: NOTHING_SAID }) });
  if (hasChannels) look();

  return {
    look: () => {
      const sinceMs = Math.abs(clock.nowMs() - lookedAtMs);
      if (hasChannels) wake(Math.max(0, LOOK_PAUSE_MS - sinceMs));
    },
    silence: (minutes) => {
      const untilMs = minutes > 0 ? clock.nowMs() + minutes * 60_000 : 0;
      keeping.keep({ alerting: silence(keeping.kept().alerting, untilMs) });
      log(
        minutes > 0 ? 'alerts_silenced' : 'alerts_unsilenced',
        minutes > 0 ? `Alerts are silenced for ${minutes} min` : 'Alerts are no longer silenced',
      );
      if (hasChannels) look();
    },
    status: () => {
      const { silenceEndsAt } = keeping.kept().alerting;
      const channelNames = [...names, ...policy.levels];
      return {
        silenceEndsAt: silenceEndsAt > clock.nowMs() ? silenceEndsAt : null,
        channels: channelNames.map((name) => ({
          ...{ name, waiting: countWaiting(queueOf(name)), problem: problemOf(name) },
        })),
      };
    },
    counts: () => keeping.kept().counts,
    stop: async () => {
      isStopped = true;
      cancel();
      const isLate = new Promise<void>((done) => clock.after(LAST_MS, done));
      if (underWay.size > 0) await Promise.race([Promise.all(underWay.values()), isLate]);
      abort.abort();
    },
  };
};

/** The first failure, and its end, are of interest; not every try. */
const tellLog = (
  log: Log,
  name: string,
  { before, now }: { readonly before: string | null; readonly now: string },
  outcome: Outcome,
): void => {
  if (outcome === 'sent' && before !== null) log('delivery_recovered', `Alerts to ${name} arrive again`);
  if (outcome === 'dropped')
    log('alert_dropped', `⚠️  ${name} does not take an alert, which is dropped: ${now}`);
  if (outcome === 'failed' && before === null)
    log('delivery_failed', `⚠️  Alerts to ${name} do not arrive: ${now}; trying again`);
};

const REAL: Clock = {
  nowMs: () => Date.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  chance: () => Math.random(),
};
