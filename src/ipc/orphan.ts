import type { Settings } from '../config/settings.ts';

/** Answers `leave_orphan`. A process is an orphan when its IPC channel to the PM2 daemon has ended: the channel ends with the daemon. */
export const createOrphanHandler =
  ({ isUnderPm2 }: Settings, shutDown: () => void) =>
  (): boolean => {
    const isOrphan = isUnderPm2 && !process.connected;
    // The answer goes out first, because leaving ends the connection.
    if (isOrphan) setImmediate(shutDown);
    return isOrphan;
  };
