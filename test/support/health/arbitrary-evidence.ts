import fc from 'fast-check';
import type { Evidence } from '../../../src/health/types.ts';

/** The weight of each value in the generated evidence. A kind or a value that is left out does not compile. */
const WEIGHTS: { readonly [K in keyof Evidence]: Readonly<Record<Evidence[K], number>> } = {
  monitor: { in_time: 4, late: 1, out_of_files: 1 },
  pm2: {
    online: 3,
    launching: 1,
    stopping: 1,
    stopped: 1,
    deleted: 1,
    waiting_restart: 1,
    gave_up: 1,
    start_failed: 1,
    missing: 1,
    unknown: 1,
  },
  stopping: { no: 2, in_time: 1, overdue: 1 },
  startFiles: { unknown: 4, ok: 1, missing: 1 },
  crashes: { few: 4, loop: 1 },
  process: { alive: 3, stopped: 1, uninterruptible: 1, zombie: 1, gone: 1, unknown: 1 },
  heartbeat: { ok: 3, silent: 1, unreachable: 1, unknown: 1 },
  dataPath: { ok: 2, stuck: 1, unknown: 1 },
  listening: { all: 2, some: 1, in_use: 1, denied: 1, none: 1, not_needed: 1, unknown: 1 },
  accepts: { ok: 2, failed: 1, unknown: 1 },
  upstream: { ok: 2, refused: 1, silent: 1, unknown: 1 },
  endToEnd: { ok: 1, failed: 1, unknown: 1 },
  openFiles: { ok: 3, warn: 1, restart: 1, unknown: 1 },
  memory: { ok: 3, warn: 1, growing: 1, restart: 1, unknown: 1 },
  cpu: { ok: 3, warn: 1, restart: 1, unknown: 1 },
  lag: { ok: 3, warn: 1, restart: 1, unknown: 1 },
};
export const KINDS = Object.keys(WEIGHTS) as readonly (keyof Evidence)[];

type Values = { readonly [K in keyof Evidence]?: readonly Evidence[K][] };

/** Any combination of values. @param allowed the only values of each kind that it names; other kinds may have any */
export const anyEvidence = (allowed: Values = {}): fc.Arbitrary<Evidence> => {
  const anyValue = (kind: keyof Evidence): fc.Arbitrary<string> => {
    const allowedValues: readonly string[] | undefined = allowed[kind];
    const weights = Object.entries(WEIGHTS[kind]).filter(([value]) => allowedValues?.includes(value) ?? true);
    return fc.oneof(...weights.map(([value, weight]) => ({ weight, arbitrary: fc.constant(value) })));
  };
  const model = Object.fromEntries(KINDS.map((kind) => [kind, anyValue(kind)]));
  return fc.record(model) as fc.Arbitrary<unknown> as fc.Arbitrary<Evidence>;
};

/** The values that are no fault: some evidence may be missing, and a limit may warn. */
export const NO_FAULT: Values = {
  monitor: ['in_time'],
  pm2: ['online', 'missing', 'unknown'],
  startFiles: ['unknown'],
  crashes: ['few'],
  process: ['alive', 'uninterruptible', 'unknown'],
  heartbeat: ['ok'],
  dataPath: ['ok', 'unknown'],
  listening: ['all', 'not_needed', 'unknown'],
  accepts: ['ok', 'unknown'],
  upstream: ['ok', 'unknown'],
  endToEnd: ['ok', 'unknown'],
  openFiles: ['ok', 'warn', 'unknown'],
  memory: ['ok', 'warn', 'growing', 'unknown'],
  cpu: ['ok', 'warn', 'unknown'],
  lag: ['ok', 'warn', 'unknown'],
};
