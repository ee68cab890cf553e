import type { Settings } from '../config/settings.ts';
import type { OrphanProtocol } from './protocol.ts';

/** The answer to `leave_orphan`; the IPC channel to the PM2 daemon ends with the daemon. */
export const leaveOrphan =
  ({ underPm2, configPath }: Settings, leave: () => void) =>
  (asked: OrphanProtocol['leave_orphan']['ask']): boolean => {
    const isOrphan = underPm2 && !process.connected && asked.configPath === configPath;
    // The answer first: leaving ends the connection.
    if (isOrphan) setImmediate(leave);
    return isOrphan;
  };
