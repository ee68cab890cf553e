import { loadConfig } from '../config/load.ts';
import { readAccepted } from '../config/project/accepted.ts';
import { type ConfigDrift, findDrift } from '../config/project/drift.ts';
import type { Settings } from '../config/settings.ts';
import { formatMinute } from '../lib/duration.ts';
import { isUsageError } from '../lib/usage-error.ts';
import { describeDrift } from '../status/config-drift.ts';
import { joinProblem } from '../status/monitor-problem.ts';
import type { Snapshot } from '../status/snapshot.ts';
import { problemsOf } from '../status/summary.ts';
import { warn, withOwnCommands } from './terminal.ts';

/**
 * Writes to stderr what a status does not say of the config: its mistakes in full, and an edit that was not applied when no
 * monitor says so.
 */
export const warnOfDrift = (settings: Settings, { monitor }: Snapshot): void => {
  const reading = readAccepted(settings.project.stateDir);
  if (reading.kind !== 'ok') return warnOfMistakes(settings);
  const drift = findDrift(reading.accepted, settings);
  if (drift === null) return;
  const isSaid =
    monitor !== null && problemsOf(monitor).some(({ kind }) => kind === describeDrift(drift).kind);
  if (!isSaid) warnShortly(settings, drift);
  if (drift.kind === 'broken') warn(drift.error.message);
};

/** Writes to stderr, in one line, that the config has mistakes, or is gone, where what runs goes on with the accepted one. */
export const warnOfBrokenConfig = (settings: Settings): void => {
  const reading = readAccepted(settings.project.stateDir);
  const drift = reading.kind === 'ok' ? findDrift(reading.accepted, settings) : null;
  if (drift && drift.kind !== 'edited') warnShortly(settings, drift);
};

/** By what goes on what runs, while the config has mistakes; nothing when nothing was accepted. */
export const describeRest = ({ project }: Settings): readonly string[] => {
  const reading = readAccepted(project.stateDir);
  return reading.kind === 'ok'
    ? [`What runs goes on with the config that was applied ${formatMinute(reading.accepted.acceptedAt)}.`]
    : [];
};

const warnShortly = (settings: Settings, drift: ConfigDrift): void =>
  warn(withOwnCommands(joinProblem(describeDrift(drift)), settings));

/** Warns of the file's mistakes where nothing was accepted: the apps read the file itself then. */
const warnOfMistakes = (settings: Settings): void => {
  try {
    loadConfig(settings);
  } catch (error) {
    if (!isUsageError(error)) throw error;
    warn(error.message);
  }
};
