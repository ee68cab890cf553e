import { OPEN_FILES_RESTART_PERCENT } from '../config/defaults.ts';
import { readOpenFilesLimit } from '../system/proc/procfs.ts';
import type { Policy } from './engine.ts';

interface ConnectionLimits {
  readonly maxConnections: number;
  readonly maxHeld: number;
}

/** Files that are neither a client nor its way to the upstream: listeners, PM2's pipes, the control socket, the loops' own. */
const RESERVED_FILES = 48;

/** Of the files that are for clients. */
const WAITING_CLIENTS_SHARE = 0.04;

/**
 * Two open files for each connection and one for each client that waits. A proxy that is full of clients is not out of
 * files yet: a restart would only send them away.
 */
export const connectionLimits = ({ maxConnections, maxHeld }: Policy): ConnectionLimits => {
  const filesLimit = readOpenFilesLimit() ?? Number.POSITIVE_INFINITY;
  const reservedFiles = RESERVED_FILES + Math.min(filesLimit / PIPE_FILES_DIVISOR, MAX_PIPE_FILES);
  const clientFiles = Math.max(4, (filesLimit * OPEN_FILES_RESTART_PERCENT) / 100 - reservedFiles);
  const maxWaiting = Math.min(maxHeld, Math.ceil(clientFiles * WAITING_CLIENTS_SHARE));
  const maxPossible = Math.max(1, Math.floor((clientFiles - maxWaiting) / 2));
  return { maxConnections: Math.min(maxConnections || maxPossible, maxPossible), maxHeld: maxWaiting };
};

/** Those of pipes to splice through: one in so many, and no more than that. */
const [PIPE_FILES_DIVISOR, MAX_PIPE_FILES] = [32, 64];
