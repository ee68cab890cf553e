import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { EventChannel, StateChannel } from '../../../src/alerting/channels/channel.ts';
import type { Clock } from '../../../src/alerting/clock.ts';
import type { Delivery } from '../../../src/alerting/delivery.ts';
import { type Notifier, startNotifier } from '../../../src/alerting/notifier.ts';
import type { ActiveAlert, Message } from '../../../src/alerting/policy/notification.ts';
import type { ProxyView } from '../../../src/alerting/policy/proxy-view.ts';
import { type AlertsConfig, parseConfig } from '../../../src/config/config.ts';
import { createHealth, type Health } from '../../../src/health/state.ts';
import type { ChannelName } from '../../../src/kinds/channels/registry.ts';
import { tempFolder } from '../temp-dir.ts';
import { incident, past, proxyViewOf } from './alert-scenario.ts';

/** A clock that is moved by hand. */
export interface HandClock extends Clock {
  /** Moves the clock. The timers that are due by then run, each at its time. */
  pass(ms: number): Promise<void>;
}

/** @param startsAt wall-clock milliseconds; default: noon of a Monday */
export const createClock = (startsAt = Date.UTC(2026, 0, 5, 12)): HandClock => {
  let nowMs = startsAt;
  const timers = new Set<{ readonly dueMs: number; run(): void }>();
  const settle = async (): Promise<void> => {
    for (let n = 0; n < 10; n += 1) await turn();
  };
  return {
    now: () => nowMs,
    random: () => 0,
    after: (ms, run) => {
      const timer = { dueMs: nowMs + ms, run };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    pass: async (ms) => {
      const endMs = nowMs + ms;
      await settle();
      for (;;) {
        const [next] = [...timers].sort((a, b) => a.dueMs - b.dueMs);
        if (!next || next.dueMs > endMs) break;
        nowMs = Math.max(nowMs, next.dueMs);
        timers.delete(next);
        next.run();
        await settle();
      }
      nowMs = endMs;
    },
  };
};

export const REFUSED: Delivery = { ok: false, problem: 'HTTP 500', retryAfterMs: null, isFinal: false };

/** An event channel that answers as the test says. */
export interface FakeChannel extends EventChannel {
  /** What it got in every try: "down 6274 + down 6277". */
  readonly tries: string[];
  answer: (message: Message) => Promise<Delivery>;
}

export const createChannel = (name: ChannelName): FakeChannel => {
  const channel: FakeChannel = {
    kind: name,
    name,
    tries: [],
    answer: async () => ({ ok: true }),
    send: (message) => {
      const notifications = message.notifications.map(
        ({ kind, proxy }) => `${kind} ${proxy.replace(/^.*-/, '')}`,
      );
      channel.tries.push(notifications.join(' + '));
      return channel.answer(message);
    },
  };
  return channel;
};

export interface FakeLevel extends StateChannel {
  readonly tries: { readonly atMs: number; readonly alerts: readonly ActiveAlert[] }[];
  answer: Delivery;
}

export const createLevel = (clock: Clock, name = 'alertmanager'): FakeLevel => {
  const level: FakeLevel = {
    kind: 'alertmanager',
    name,
    tries: [],
    answer: { ok: true },
    sendAll: async (alerts) => {
      level.tries.push({ atMs: clock.now(), alerts });
      return level.answer;
    },
  };
  return level;
};

/** The config of the alerts, by default without patience. */
export const alertsConfig = (alerts: object = {}): AlertsConfig => {
  const parsed = parseConfig({
    proxies: [{ listen: '6274', upstream: 'localhost:6274' }],
    alerts: { afterMs: 0, ...alerts },
  });
  assert.ok(parsed.ok);
  return parsed.config.alerts;
};

/** A notifier of one port with a clock of the test; to `start` it again makes the next monitor's. */
export const createDesk = (alerts: object = {}) => {
  const clock = createClock();
  const log: string[] = [];
  const path = join(tempFolder(), 'alerts.json');
  let settings = alerts;
  let killed = new AbortController();
  let health: Health = { ...createHealth(clock.now()), state: 'up' };
  const proxies = (): readonly ProxyView[] => [proxyViewOf(health)];
  return {
    clock,
    log,
    path,
    /**
     * @param alertsFile default: `path`
     * @param onView is called with what the notifier is to get of the port. Default: it gets that
     */
    start: (
      eventChannels: readonly EventChannel[],
      stateChannels: readonly StateChannel[] = [],
      alertsFile = path,
      onView = (view: ProxyView): ProxyView => view,
    ): Notifier => {
      killed = new AbortController();
      const { signal } = killed;
      return startNotifier({
        path: alertsFile,
        config: alertsConfig(settings),
        channels: { eventChannels, stateChannels },
        proxies: () => proxies().map(onView),
        clock: { ...clock, after: (ms, run) => clock.after(ms, () => signal.aborted || run()) },
        log: (event, text) => log.push(`${event} ${text}`),
      });
    },
    /** The end of the last notifier by SIGKILL: it does nothing more. */
    kill: () => killed.abort(),
    /** Changes the config for the next notifier. */
    configure: (next: object) => {
      settings = next;
    },
    fall: () => {
      health = { ...health, state: 'down', cause: 'upstream_down', incident: incident(clock.now()) };
    },
    rise: () => {
      const { incident: current, history } = health;
      const ended = current ? [past(current.startedAt, clock.now())] : [];
      health = { ...health, state: 'up', cause: null, incident: null, history: [...history, ...ended] };
    },
  };
};
