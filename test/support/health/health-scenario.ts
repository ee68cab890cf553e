import type { Action, HealthEvent, HealthPolicy } from '../../../src/health/events.ts';
import { reduce } from '../../../src/health/reducer.ts';
import { createHealth, type Health } from '../../../src/health/state.ts';
import type { Evidence, Remedy } from '../../../src/health/types.ts';

/** The evidence of a proxy whose every check succeeded. */
export const WELL: Evidence = {
  monitor: 'in_time',
  stopping: 'no',
  crashes: 'few',
  startFiles: 'unknown',
  dataPath: 'ok',
  openFiles: 'ok',
  memory: 'ok',
  cpu: 'ok',
  lag: 'ok',
  pm2: 'online',
  process: 'alive',
  heartbeat: 'ok',
  listening: 'all',
  accepts: 'ok',
  upstream: 'ok',
  endToEnd: 'ok',
};

/** The evidence when nothing could be found out. */
export const UNKNOWN: Evidence = {
  monitor: 'in_time',
  stopping: 'no',
  crashes: 'few',
  startFiles: 'unknown',
  dataPath: 'unknown',
  openFiles: 'unknown',
  memory: 'unknown',
  cpu: 'unknown',
  lag: 'unknown',
  pm2: 'unknown',
  process: 'unknown',
  heartbeat: 'unknown',
  listening: 'unknown',
  accepts: 'unknown',
  upstream: 'unknown',
  endToEnd: 'unknown',
};

export const HUNG = { heartbeat: 'silent' } as const;
export const NOT_THERE = { pm2: 'missing', process: 'unknown', heartbeat: 'unreachable' } as const;
export const UPSTREAM_DOWN = { upstream: 'refused' } as const;

const POLICY: HealthPolicy = {
  failureThreshold: 3,
  successThreshold: 2,
  place: 'port 6274',
  upstream: 'localhost:6274',
  optional: false,
  restartsPaused: false,
  maxRestarts: 10,
  restartWindowMs: 600_000,
  restartCooldownMs: 60_000,
};

/** The health of one proxy, and the events that change it. */
export interface Scenario {
  health(): Health;
  /** Sends an event to the reducer; returns the actions that it asks for. */
  send(event: HealthEvent): readonly Action[];
  /** Sends a check, with a new probe result; what `evidence` leaves out is as in {@link WELL}. Default pid: 100. */
  check(at: number, evidence?: Partial<Evidence>, pid?: number | null): readonly Action[];
}

/** A proxy of pid 100 that has been up since 0; its grace period ends at 5 s. */
export const startScenario = (policy: Partial<HealthPolicy> = {}): Scenario => {
  let health = createHealth(0);
  const scenario: Scenario = {
    health: () => health,
    send: (event) => {
      const transition = reduce(health, event, { ...POLICY, ...policy });
      health = transition.health;
      return transition.actions;
    },
    check: (at, evidence = {}, pid = 100) =>
      scenario.send({ kind: 'check', at, pid, evidence: { ...WELL, ...evidence }, isProbed: true }),
  };
  for (const at of [0, 1_000]) scenario.check(at);
  return scenario;
};

/** One line an action: the text of a log line, or "restart REMEDY CAUSE". */
export const describeActions = (actions: readonly Action[]): readonly string[] =>
  actions.map((action) => (action.kind === 'log' ? action.text : `restart ${action.remedy} ${action.cause}`));

export const remediesOf = (actions: readonly Action[]): readonly Remedy[] =>
  actions.flatMap((action) => (action.kind === 'remedy' ? [action.remedy] : []));
