import type { Action, HealthEvent, HealthPolicy } from '../../src/health/events.ts';
import { reduce } from '../../src/health/reducer.ts';
import { createHealth, type Health } from '../../src/health/state.ts';
import type { Evidence, Remedy } from '../../src/health/types.ts';

/** Everything was looked at, and all is well. */
export const WELL: Evidence = {
  monitor: 'in_time',
  stopping: 'no',
  crashes: 'few',
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

/** Nothing could be found out. */
export const UNKNOWN: Evidence = {
  monitor: 'in_time',
  stopping: 'no',
  crashes: 'few',
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

/** What happened to a proxy, event by event. */
export interface Story {
  health(): Health;
  tell(event: HealthEvent): readonly Action[];
  /** One look; what is not named in `seen` is well. */
  look(atMs: number, seen?: Partial<Evidence>, pid?: number | null): readonly Action[];
}

/** A proxy of pid 100 that has been up for long; its grace time ended at 5 s. */
export const startStory = (policy: Partial<HealthPolicy> = {}): Story => {
  let health = createHealth(0);
  const story: Story = {
    health: () => health,
    tell: (event) => {
      const next = reduce(health, event, { ...POLICY, ...policy });
      health = next.health;
      return next.actions;
    },
    look: (at, seen = {}, pid = 100) =>
      story.tell({ kind: 'check', at, pid, evidence: { ...WELL, ...seen }, isProbed: true }),
  };
  for (const atMs of [0, 1_000]) story.look(atMs);
  return story;
};

/** The lines for people among the actions, and each cure as "restart <cure> <cause>". */
export const inWords = (actions: readonly Action[]): readonly string[] =>
  actions.map((action) => (action.kind === 'log' ? action.text : `restart ${action.remedy} ${action.cause}`));

/** The cures among the actions. */
export const cures = (actions: readonly Action[]): readonly Remedy[] =>
  actions.flatMap((action) => (action.kind === 'remedy' ? [action.remedy] : []));
