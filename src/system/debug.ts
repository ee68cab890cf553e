import { debuglog, format } from 'node:util';

/** The sections that STEADYPORT_DEBUG may name. Each is a room, or a path through several rooms. */
export type DebugSection = 'check' | 'probe' | 'pm2' | 'ipc' | 'dial' | 'alert';

export type Debug = (message: string, ...values: readonly unknown[]) => void;

/**
 * Makes a debug log to stderr. It is off unless STEADYPORT_DEBUG names the section, as in `STEADYPORT_DEBUG=check,pm2`, or
 * is `all`. `NODE_DEBUG=steadyport:check` works too, by util.debuglog. A variable of our own is needed because Node.js
 * reads NODE_DEBUG before a program's first line runs, so that a program cannot set it for itself.
 */
export const createDebug = (section: DebugSection): Debug => {
  if (!isEnabled(section)) return debuglog(`steadyport:${section}`);
  // A reader of stderr that is gone must not end the program.
  if (process.stderr.listenerCount('error') === 0) process.stderr.on('error', () => {});
  return (message, ...values) => {
    process.stderr.write(`STEADYPORT ${section} ${process.pid}: ${format(message, ...values)}\n`);
  };
};

/** True when the debug log of the section is on, for code that must not pay for a log that is off. */
export const isDebugEnabled = (section: DebugSection): boolean =>
  isEnabled(section) || debuglog(`steadyport:${section}`).enabled;

const isEnabled = (section: DebugSection): boolean => {
  const sections = (process.env['STEADYPORT_DEBUG'] ?? '').split(',').map((name) => name.trim());
  return sections.includes(section) || sections.includes('all');
};
