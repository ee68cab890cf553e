/**
 * Handles SIGINT and SIGTERM: the first one calls `finish` and then exits with 0, the second one exits at once with 1.
 * Call it before any client can connect: a signal that comes earlier ends the process without `finish`.
 * @returns a function that shuts down as the first signal does, for other reasons to exit
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
  return shutDown;
};

/**
 * Exits with 0 when the PM2 daemon ends, since no PM2 would know of the process any more.
 * @param mayExit asked when the daemon ends. Default: always true
 * @returns a function that stops this
 */
export const exitWithPm2 = (mayExit: () => boolean = () => true): (() => void) => {
  const exitIfAllowed = (): void => {
    if (mayExit()) process.exit(0);
  };
  process.on('disconnect', exitIfAllowed);
  return () => process.off('disconnect', exitIfAllowed);
};

/** Exits with 1, because the process cannot serve any more: PM2, or whatever started it, starts it anew. */
export const exitWithFailure = (): void => process.exit(1);
