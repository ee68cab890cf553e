import type { ConfigDrift } from '../config/project/drift.ts';
import { npmCommand } from '../lib/command-lines.ts';
import { formatMinute } from '../lib/duration.ts';
import type { MonitorProblemKind, ProblemText } from './monitor-problem.ts';

/** Says what was edited and when, what differs, and how to apply it, or to see the mistakes; or which file is gone. */
export const describeDrift = (
  drift: ConfigDrift,
): ProblemText & { readonly kind: Extract<MonitorProblemKind, `config_${string}`> } => {
  const { file, path, editedAt, acceptedAt } = drift;
  const when = editedAt === null ? '' : ` at ${formatMinute(editedAt)}`;
  if (drift.kind === 'edited') {
    return {
      kind: 'config_not_applied',
      reason: `${file} was edited${when} and not applied (${drift.differences.join(', ')})`,
      nextStep: 'npm start',
    };
  }
  const goesOn = `and what runs goes on with the config of ${formatMinute(acceptedAt)}`;
  if (drift.kind === 'missing')
    return {
      kind: 'config_missing',
      reason: `${path} is gone, ${goesOn}`,
      nextStep: 'put it back, or, where it was moved, in its new folder: npm start',
    };
  const problem =
    editedAt === null ? `${path} cannot be looked at` : `${file} has mistakes since an edit${when}`;
  return {
    kind: 'config_broken',
    reason: `${problem}, ${goesOn}`,
    nextStep: npmCommand('check-config'),
  };
};
