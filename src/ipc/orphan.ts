import type { Settings } from '../config/settings.ts';
import type { OrphanProtocol } from './protocol.ts';

/** The answer to `leave_orphan`; the IPC channel to the PM2 daemon ends with the daemon. */
export const createOrphanHandler =
  ({ isUnderPm2, configPath }: Settings, shutDown: () => void) =>
  (request: OrphanProtocol['leave_orphan']['ask']): boolean => {
    const isOrphan = isUnderPm2 && !process.connected && request.configPath === configPath;
    // The answer first: leaving ends the connection.
    if (isOrphan) setImmediate(shutDown);
    return isOrphan;
  };
