/**
 * SIGINT and SIGTERM: once, to finish and leave with 0; twice, to leave at once. Also keeps a process that
 * PM2 started alive when the PM2 daemon dies: its pipes and its IPC channel then end (DESIGN 4.3).
 */
export const leaveOnSignal = (finish: () => Promise<void>): void => {
  let asked = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      if (asked) process.exit(1);
      asked = true;
      void finish().then(() => process.exit(0));
    });
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
};
