import { MONITOR } from '../../config/app-names.ts';
import { adviceOn, describeCause } from '../../health/cause-text.ts';
import { isOwn } from '../../health/causes.ts';
import type { Health, Incident, PastIncident } from '../../health/state.ts';
import type { Cause, Cure } from '../../health/types.ts';
import { formatSeconds } from '../../lib/duration.ts';
import type { Notice } from './notification.ts';

/** What is known of a port now. */
export interface Seen {
  /** The PM2 app. */
  readonly name: string;
  readonly label: string;
  /** "port 6274". */
  readonly place: string;
  readonly upstream: string;
  readonly health: Health;
  /** What the failed check said, or how the process ended. */
  readonly detail: string | null;
  /** Who has the port, when it is not the proxy. */
  readonly holder: string | null;
  /** What is over a limit that only warns, in words. */
  readonly limits: Readonly<Partial<Record<Cause, string>>>;
}

export const downNotice = (seen: Seen, { atMs, cause, cures }: Incident): Notice => ({
  ...about(seen, 'down', 'critical', cause, atMs),
  what: describeCause(cause, seen),
  ...evidence(seen, cause),
  done: describeCures(cause, cures),
});

export const gaveUpNotice = (seen: Seen, { atMs, cause, cures }: Incident): Notice => ({
  ...about(seen, 'gave_up', 'critical', cause, atMs),
  what: `Gave up on the proxy for ${seen.place}: restarts did not help. It is tried again, ever more seldom`,
  ...evidence(seen, cause),
  done: describeCures(cause, cures),
});

export const warningNotice = (seen: Seen, cause: Cause, atMs: number): Notice => ({
  ...about(seen, 'warning', 'warning', cause, atMs),
  what: describeCause(cause, seen),
  ...advice(seen, cause, seen.limits[cause] ?? null),
});

/** The end of what was told. @param past null when nothing is remembered of it */
export const recoveredNotice = (seen: Seen, told: Notice, past: PastIncident | null, atMs: number): Notice =>
  ended(
    seen,
    past ?? { fromMs: told.fromMs, toMs: atMs, cause: told.cause, cures: [] },
    (lasted) => `${END[seen.health.state] ?? 'is healthy again'} after ${lasted}`,
  );

/** The begin and the end of an incident in one. */
export const outageNotice = (seen: Seen, past: PastIncident): Notice =>
  ended(
    seen,
    past,
    (lasted) => `was down for ${lasted}, and ${END[seen.health.state] ?? 'is healthy again'}`,
  );

export const restartedNotice = (seen: Seen, past: PastIncident): Notice => ({
  ...ended(seen, past, (lasted) => `was restarted, and serves again after ${lasted}`),
  ...({ kind: 'restarted', severity: 'warning' } as const),
  todo: `Nothing, unless it comes again. Why it happened: pm2 logs ${seen.name}`,
});

export const flappingNotice = (
  seen: Seen,
  cause: Cause,
  falls: readonly number[],
  windowMs: number,
): Notice => ({
  ...about(seen, 'flapping', 'warning', cause, Math.min(...falls)),
  what: `Proxy for ${seen.place} goes down and comes back again and again: ${falls.length} times within ${formatSeconds(windowMs)}`,
  ...evidence(seen, cause),
  done: `No more is said of it until it has been the same for ${formatSeconds(windowMs)}`,
});

export const steadyNotice = (seen: Seen, told: Notice, atMs: number, windowMs: number): Notice => ({
  ...about(seen, 'steady', 'info', told.cause, told.fromMs),
  toMs: atMs,
  what: `Proxy for ${seen.place} ${END[seen.health.state] ?? `has been up for ${formatSeconds(windowMs)}`}, and no longer comes and goes`,
});

/** @param told the first notice of what goes on */
export const reminderNotice = (seen: Seen, told: Notice, atMs: number): Notice => {
  const isDown = told.kind !== 'flapping';
  const cause = seen.health.incident?.cause ?? told.cause;
  const what = isDown && cause !== null ? describeCause(cause, seen) : told.what;
  return {
    ...about(seen, 'reminder', isDown ? 'critical' : 'warning', cause, told.fromMs),
    what: `Still, after ${formatSeconds(Math.max(0, atMs - told.fromMs))}: ${what}`,
    ...(cause === null ? {} : evidence(seen, cause)),
    done: cause === null ? null : describeCures(cause, seen.health.incident?.cures ?? []),
  };
};

/** The port is no longer there to be told of: the end of what was told of it. */
export const goneNotice = (told: Notice, atMs: number): Notice => ({
  ...{ ...told, severity: 'info', toMs: atMs, why: null, done: null, todo: null },
  kind: told.kind === 'flapping' ? 'steady' : 'recovered',
  what: `${told.proxy} is no longer in the config; what was told of it lasted ${formatSeconds(Math.max(0, atMs - told.fromMs))}`,
});

/** In the place of what was too much to be kept. @param what such as "41 messages could not be delivered" */
export const foldedNotice = (what: string, fromMs: number, toMs: number): Notice => ({
  ...{ kind: 'warning', severity: 'warning', proxy: MONITOR, label: 'steadyport', cause: null },
  ...{ fromMs, toMs, what, why: null, done: 'They were folded into this one' },
  todo: 'See what is up now: npm run status; and what happened: npm run logs -- monitor',
});

const about = (
  { name, label }: Seen,
  kind: Notice['kind'],
  severity: Notice['severity'],
  cause: Cause | null,
  fromMs: number,
): Notice => ({
  ...{ kind, severity, proxy: name, label, cause, fromMs },
  ...{ toMs: null, what: '', why: null, done: null, todo: null },
});

const ended = (
  seen: Seen,
  { fromMs, toMs, cause, cures }: Pick<PastIncident, 'fromMs' | 'toMs' | 'cures'> & { cause: Cause | null },
  how: (lasted: string) => string,
): Notice => ({
  ...about(seen, 'recovered', 'info', cause, fromMs),
  toMs,
  what: `Proxy for ${seen.place} ${how(formatSeconds(Math.max(0, toMs - fromMs)))}`,
  why: cause === null ? null : `What was seen: ${describeCause(cause, seen)}`,
  done: cause === null ? null : describeCures(cause, cures),
});

/** Where an incident ends otherwise than by a recovery. */
const END: Readonly<Partial<Record<Health['state'], string>>> = {
  stopped: 'was stopped by the operator',
  waiting: 'waits for its upstream, which may be off',
};

/** What the last check said is of interest while its cause is the one that is told. */
const evidence = (seen: Seen, cause: Cause): Pick<Notice, 'why' | 'todo'> =>
  advice(seen, cause, seen.health.cause === cause ? seen.detail : null);

/** What the check said is not said again in what to do. */
const advice = (seen: Seen, cause: Cause, why: string | null): Pick<Notice, 'why' | 'todo'> => {
  const text = adviceOn(cause, { ...seen, detail: why });
  if (why === null || !text.startsWith(why)) return { why, todo: text };
  const rest = text.slice(why.length).replace(/^[.;]\s*/, '');
  return { why, todo: rest.charAt(0).toUpperCase() + rest.slice(1) };
};

const CURES: Readonly<Record<Cure, string>> = {
  start: 'started',
  listen: 'asked to listen again',
  graceful: 'restarted',
  forced: 'killed and restarted',
  kill: 'killed',
};

/** "asked to listen again, killed and restarted 3 times" */
const describeCures = (cause: Cause, cures: readonly Cure[]): string | null => {
  if (!isOwn(cause) && cures.length === 0) return 'Nothing: a restart of the proxy would not help';
  const times = (cure: Cure): number => cures.filter((one) => one === cure).length;
  const words = [...new Set(cures)].map(
    (cure) => CURES[cure] + (times(cure) > 1 ? ` ${times(cure)} times` : ''),
  );
  if (words.length > 0) return `It was ${words.join(', ')}`;
  return cause === 'crashed' || cause === 'crash_loop' ? 'PM2 restarts it' : null;
};
