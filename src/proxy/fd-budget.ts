import { OUT_OF_FILES_PERCENT } from '../config/defaults.ts';
import { openFilesLimit } from '../system/proc/procfs.ts';
import type { Policy } from './engine.ts';

interface Places {
  readonly maxConnections: number;
  readonly maxHeld: number;
}

/** Files that are neither a client nor its way to the upstream: listeners, PM2's pipes, the control socket, the loops' own. */
const OTHER_FILES = 48;

/** Of the files that are for clients. */
const WAITING_SHARE = 0.04;

/**
 * Two open files for each connection and one for each client that waits. A proxy that is full of clients is not out of
 * files yet: a restart would only send them away.
 */
export const countPlaces = ({ maxConnections, maxHeld }: Policy): Places => {
  const limit = openFilesLimit() ?? Number.POSITIVE_INFINITY;
  const others = OTHER_FILES + Math.min(limit / FILES_FOR_EACH_OF_PIPES, MOST_OF_PIPES);
  const files = Math.max(4, (limit * OUT_OF_FILES_PERCENT) / 100 - others);
  const waiting = Math.min(maxHeld, Math.ceil(files * WAITING_SHARE));
  const possible = Math.max(1, Math.floor((files - waiting) / 2));
  return { maxConnections: Math.min(maxConnections || possible, possible), maxHeld: waiting };
};

/** Those of pipes to splice through: one in so many, and no more than that. */
const [FILES_FOR_EACH_OF_PIPES, MOST_OF_PIPES] = [32, 64];
