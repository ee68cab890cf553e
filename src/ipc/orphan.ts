import type { Settings } from '../config/settings.ts';
import type { OrphanProtocol } from './protocol.ts';

/** Answers `leave_orphan`. A process is an orphan when its IPC channel to the PM2 daemon has ended: the channel ends with the daemon. */
export const createOrphanHandler =
  ({ isUnderPm2, configPath }: Settings, shutDown: () => void) =>
  (request: OrphanProtocol['leave_orphan']['ask']): boolean => {
    const isOrphan = isUnderPm2 && !process.connected && request.configPath === configPath;
    // The answer goes out first, because leaving ends the connection.
    if (isOrphan) setImmediate(shutDown);
    return isOrphan;
  };
