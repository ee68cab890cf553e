import {
  type AlertPolicy,
  type AlertState,
  evaluate,
  INITIAL_ALERT_STATE,
} from '../../../src/alerting/policy/alert-manager.ts';
import type { Message, Notification } from '../../../src/alerting/policy/notification.ts';
import { NO_PROBLEMS, type ProxyView } from '../../../src/alerting/policy/proxy-view.ts';
import { createHealth, type Health, type Incident, type PastIncident } from '../../../src/health/state.ts';
import type { Cause } from '../../../src/health/types.ts';
import type { MonitorProblem } from '../../../src/status/monitor-problem.ts';

/** That of the defaults, but without patience. */
export const POLICY: AlertPolicy = {
  afterMs: 0,
  ownFaultAfterMs: 0,
  minAgeMs: 0,
  minSeverity: 'info',
  groupWaitMs: 5_000,
  repeatIntervalMs: 14_400_000,
  flapping: { threshold: 4, windowMs: 600_000, afterMs: 120_000 },
  stateChannels: [],
};

export const proxyViewOf = (health: Health, port = 6274): ProxyView => ({
  host: 'devbox',
  name: `tcp-proxy-${port}`,
  label: `port ${port}`,
  place: `port ${port}`,
  upstream: `localhost:${port}`,
  afterMs: null,
  health,
  isChecked: true,
  hasFailed: true,
  detail: null,
  portOwner: null,
  sharesPort: true,
  listenAdvice: null,
  startAdvice: null,
  supervisionCure: null,
  limits: {},
});

export const incident = (startedAt: number, change: Partial<Incident> = {}): Incident => ({
  startedAt,
  lastFailedAt: null,
  pid: 100,
  upstream: 'localhost:6274',
  cause: 'upstream_down',
  causeFailures: 1,
  loggedCauses: [],
  actions: [],
  alerted: true,
  isProxyFault: false,
  recoveringSince: null,
  ...change,
});

export const past = (
  startedAt: number,
  endedAt: number,
  change: Partial<PastIncident> = {},
): PastIncident => ({
  startedAt,
  lastFailedAt: null,
  endedAt,
  upstream: 'localhost:6274',
  cause: 'upstream_down',
  actions: [],
  alerted: true,
  hasNewProcess: false,
  ...change,
});

/** Each message as "down 6274 + down 6277". */
export const inWords = (messages: readonly Message[]): readonly string[] =>
  messages.map(({ notifications }) => notifications.map(inShort).join(' + '));

const inShort = ({ kind, proxy }: Notification): string => `${kind} ${proxy.replace(/^.*-/, '')}`;

/** A set of ports, and what is announced of them as time goes on. */
export interface AlertScenario {
  /** What the monitor knows of a port from now on, and what its config says. */
  set(health: Partial<Health>, port?: number, view?: Partial<ProxyView>): void;
  /** The port goes down, past the alert threshold at once. */
  fall(port?: number, cause?: Cause): void;
  rise(port?: number): void;
  /** The port is restarted before that is an alert. */
  restart(port?: number): void;
  remove(port: number): void;
  health(): Health;
  /** Evaluates every second until then. @returns the messages of that time, as {@link inWords} */
  until(atMs: number): readonly string[];
  state: AlertState;
  isQuiet: boolean;
  /** The problems of the monitor itself from now on. */
  problems: readonly MonitorProblem[];
  /** The start of the monitor that evaluates from now on. */
  monitorStartedAt: number;
  readonly messages: readonly Message[];
  now(): number;
}

/** Starts with ports that have been up for long. */
export const startAlertScenario = (
  ports: readonly number[] = [6274],
  policy: Partial<AlertPolicy> = {},
): AlertScenario => {
  const healths = new Map(ports.map((port) => [port, { ...createHealth(0), state: 'up' } as Health]));
  const views = new Map<number, Partial<ProxyView>>();
  let nowMs = 0;
  const messages: Message[] = [];
  const healthOf = (port: number): Health => healths.get(port) ?? createHealth(0);
  const evaluateNow = (): readonly Message[] => {
    const proxies = [...healths].map(([port, health]) => ({
      ...proxyViewOf(health, port),
      ...views.get(port),
    }));
    const moment = { now: nowMs, isQuiet: scenario.isQuiet, runId: 'run' };
    const monitor = {
      ...NO_PROBLEMS,
      startedAt: scenario.monitorStartedAt,
      problems: scenario.problems,
    };
    const next = evaluate(scenario.state, proxies, moment, { ...POLICY, ...policy }, monitor);
    scenario.state = next.state;
    messages.push(...next.messages);
    return next.messages;
  };
  const scenario: AlertScenario = {
    state: INITIAL_ALERT_STATE,
    isQuiet: false,
    problems: [],
    monitorStartedAt: 0,
    messages,
    now: () => nowMs,
    set: (change, port = 6274, view = {}) => {
      healths.set(port, { ...healthOf(port), ...change });
      views.set(port, { ...views.get(port), ...view });
    },
    fall: (port = 6274, cause = 'upstream_down') =>
      scenario.set({ state: 'down', cause, incident: incident(nowMs, { cause }) }, port),
    rise: (port = 6274) => {
      const { incident: current, history } = healthOf(port);
      const ended = current
        ? [
            past(current.startedAt, nowMs, {
              upstream: current.upstream,
              cause: current.cause,
              actions: current.actions,
            }),
          ]
        : [];
      scenario.set({ state: 'up', cause: null, incident: null, history: [...history, ...ended] }, port);
    },
    restart: (port = 6274) => {
      const restart = past(nowMs, nowMs + 500, { cause: 'crashed', alerted: false, hasNewProcess: true });
      scenario.set({ history: [...healthOf(port).history, restart].slice(-20) }, port);
    },
    remove: (port) => healths.delete(port),
    health: () => healthOf(6274),
    until: (atMs) => {
      const sent: Message[] = [...evaluateNow()];
      while (nowMs < atMs) {
        nowMs = Math.min(atMs, nowMs + 1_000);
        sent.push(...evaluateNow());
      }
      return inWords(sent);
    },
  };
  evaluateNow();
  return scenario;
};
