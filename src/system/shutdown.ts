/**
 * SIGINT and SIGTERM: once, to finish and leave with 0; twice, to leave at once. Returns what the first does,
 * for other reasons to leave. To be called before anybody can connect: a signal that comes earlier ends the process as
 * it is. Also keeps a process that PM2 started alive when the PM2 daemon dies: its pipes and its IPC channel then end.
 */
export const shutDownOnSignal = (finish: () => Promise<void>): (() => void) => {
  let isShuttingDown = false;
  const shutDown = (): void => {
    if (isShuttingDown) return;
    isShuttingDown = true;
    void finish().then(() => process.exit(0));
  };
  const onSignal = (): void => (isShuttingDown ? process.exit(1) : shutDown());
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  return shutDown;
};

/** Until the function that it returns is called, the process ends with the PM2 daemon, if it may: nobody would know of it. */
export const exitWithPm2 = (mayExit: () => boolean = () => true): (() => void) => {
  const exitIfAllowed = (): void => {
    if (mayExit()) process.exit(0);
  };
  process.on('disconnect', exitIfAllowed);
  return () => process.off('disconnect', exitIfAllowed);
};

/** What is left cannot serve: PM2, or whoever started this, is to start it anew. */
export const exitWithFailure = (): void => process.exit(1);
