import { createEdgeLogger } from '../logging/edge-logger.ts';
import type { Log } from '../logging/logger.ts';
import { joinProblem, MONITOR_PROBLEM_KINDS, type ProblemText } from '../status/monitor-problem.ts';
import type { Pm2View } from './client.ts';
import { describeUnreachable, START } from './daemon.ts';
import { NO_DAEMON } from './rpc.ts';

type LossKind = 'pm2_lost' | 'pm2_hangs';

/** Whether a PM2 daemon supervises the apps of this config. */
export interface Supervision {
  /** Takes a list of PM2, or the problem that kept it from being read. */
  observe(view: Pm2View): void;
  /** Why no daemon brings back what dies, by its kind; null for the other one, and for both while one does, or that is unknown. */
  problems(): Readonly<Record<LossKind, ProblemText | null>>;
}

interface Loss {
  readonly kind: LossKind;
  readonly text: ProblemText;
  /** How long it lasts before it counts, in milliseconds. */
  readonly patienceMs: number;
}

/** A daemon that is replaced, as by `pm2 update`, is away for a moment, and one in a debugger stands still for a moment. */
const PATIENCE_MS = 5_000;
/**
 * A daemon that is only busy answers within the 10 s for which a command waits (client.ts). After this time it has been asked
 * several times, and cannot be called busy any more.
 */
const SILENCE_PATIENCE_MS = 15_000;

/**
 * Supervision is lost when the daemon is dead, is a new one that knows none of the apps, as any command of PM2 launches it, or is
 * stopped by a signal, for longer than PATIENCE_MS; and when it has not answered for longer than SILENCE_PATIENCE_MS.
 * @param appNames the apps of the config
 * @param onChange called when it is lost, and when it is back
 * @param now a monotonic clock, in milliseconds. Default: performance.now
 */
export const createSupervision = (
  appNames: readonly string[],
  log: Log,
  onChange: () => void,
  now = (): number => performance.now(),
): Supervision => {
  /** What was seen last, and when it was first seen; null while supervised. */
  let seen: { readonly kind: LossKind; readonly since: number } | null = null;
  let known: Loss | null = null;
  const edges = createEdgeLogger({
    onFail: (problem) => {
      log('supervision_lost', `🚨 ALERT: ${problem}`);
      onChange();
    },
    onRecover: () => {
      log('supervision_recovered', 'PM2 supervises the ports again');
      onChange();
    },
    repeatOnChange: true,
  });
  const textOf = (kind: LossKind): ProblemText | null => (known?.kind === kind ? known.text : null);
  return {
    observe: (view) => {
      const loss = lossOf(view, appNames);
      if (loss === 'unknown') return;
      if (loss === null) {
        seen = null;
        known = null;
        edges.succeeded();
        return;
      }
      const { kind, text, patienceMs } = loss;
      if (seen?.kind !== kind) seen = { kind, since: now() };
      // What is lost already needs no patience for another reason.
      if (known === null && now() - seen.since <= patienceMs) return;
      known = loss;
      edges.failed(`${MONITOR_PROBLEM_KINDS[kind].label}: ${joinProblem(text)}`);
    },
    problems: () => ({ pm2_lost: textOf('pm2_lost'), pm2_hangs: textOf('pm2_hangs') }),
  };
};

const lossOf = (view: Pm2View, appNames: readonly string[]): Loss | 'unknown' | null => {
  if (view.ok)
    return appNames.some((name) => view.apps.has(name))
      ? null
      : loss('pm2_lost', `the PM2 daemon (pid ${view.daemonPid ?? 'unknown'}) has none of the apps`, START);
  const { problem, unreachable } = view;
  if (problem === NO_DAEMON) return loss('pm2_lost', problem, START);
  if (!unreachable) return 'unknown';
  const { reason, nextStep } = describeUnreachable(problem, unreachable, START);
  if (unreachable.fault === 'cut_off') return loss('pm2_lost', reason, nextStep);
  return loss(
    'pm2_hangs',
    reason,
    nextStep,
    unreachable.fault === 'silent' ? SILENCE_PATIENCE_MS : PATIENCE_MS,
  );
};

const loss = (kind: LossKind, what: string, nextStep: string, patienceMs = PATIENCE_MS): Loss => ({
  kind,
  text: { reason: `${what}, and nothing brings back what dies`, nextStep },
  patienceMs,
});
