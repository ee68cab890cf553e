import { OPEN_FILES_RESTART_PERCENT } from '../config/defaults.ts';
import { readOpenFilesLimit } from '../system/proc/procfs.ts';
import type { Policy } from './engine.ts';

interface ConnectionLimits {
  readonly maxConnections: number;
  readonly maxHeld: number;
}

/** Open files that belong to no connection: listeners, PM2's pipes, the control socket, the event loops' own. */
const RESERVED_FILES = 48;

/** The share of the files for clients that clients may use while they wait. */
const WAITING_CLIENTS_SHARE = 0.04;

/**
 * The maximum numbers of clients that are served and that wait, by the configuration and by this process's limit of open files.
 * A connection takes two open files, a client that waits takes one. The limits stay below OPEN_FILES_RESTART_PERCENT of
 * the open files: a restart of a proxy that is merely full would only disconnect its clients.
 */
export const connectionLimits = ({ maxConnections, maxHeld }: Policy): ConnectionLimits => {
  const filesLimit = readOpenFilesLimit() ?? Number.POSITIVE_INFINITY;
  const reservedFiles = RESERVED_FILES + Math.min(filesLimit / PIPE_FILES_DIVISOR, MAX_PIPE_FILES);
  const clientFiles = Math.max(4, (filesLimit * OPEN_FILES_RESTART_PERCENT) / 100 - reservedFiles);
  const maxWaiting = Math.min(maxHeld, Math.ceil(clientFiles * WAITING_CLIENTS_SHARE));
  const maxPossible = Math.max(1, Math.floor((clientFiles - maxWaiting) / 2));
  return { maxConnections: Math.min(maxConnections || maxPossible, maxPossible), maxHeld: maxWaiting };
};

/** The kernel engine's pipes to splice through may use one in PIPE_FILES_DIVISOR open files, at most MAX_PIPE_FILES. */
const PIPE_FILES_DIVISOR = 32;
const MAX_PIPE_FILES = 64;
