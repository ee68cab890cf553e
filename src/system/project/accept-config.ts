import type { LoadedConfig } from '../../config/load.ts';
import { acceptedFile, formatAccepted, readAccepted } from '../../config/project/accepted.ts';
import { acceptedVariables } from '../../config/settings.ts';
import { UsageError } from '../../lib/usage-error.ts';
import { readText, removeFile, writeAtomic } from '../files.ts';
import { makeStateDir } from '../state-dir.ts';

/**
 * Accepts a config that is right, for all that runs of its project from now on. What is accepted already is not written anew.
 * @throws UsageError when the state directory cannot be used, or the file not be written: what was accepted before stays
 */
export const acceptConfig = (loaded: LoadedConfig): void => {
  const { stateDir } = loaded.settings.project;
  makeStateDir(stateDir);
  const path = acceptedFile(stateDir);
  const previous = readAccepted(stateDir);
  const text = formatAccepted(loaded, acceptedVariables(), previous);
  if (readText(path) === text) return;
  try {
    // A folder in its place could not be replaced.
    if (previous.kind === 'unusable') removeFile(path);
    writeAtomic(path, text);
  } catch (error) {
    throw new UsageError(
      `${path} cannot be written, so that nothing was started: ${(error as Error).message}; make room, or make it writable`,
      { cause: error },
    );
  }
};
