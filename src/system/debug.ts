import { debuglog, format } from 'node:util';

/** What STEADYPORT_DEBUG may name: a room or a way through the house. */
export type DebugSection = 'check' | 'probe' | 'pm2' | 'ipc' | 'dial' | 'alert' | 'config';

export type Debug = (message: string, ...values: readonly unknown[]) => void;

/**
 * A debug log to stderr, off unless `STEADYPORT_DEBUG=check,pm2` (or `all`) names its section. It is util.debuglog with a
 * variable of our own: Node.js reads NODE_DEBUG before a program's first line runs, so a program cannot set it for itself.
 * `NODE_DEBUG=steadyport:check` works too.
 */
export const createDebug = (section: DebugSection): Debug => {
  if (!isEnabled(section)) return debuglog(`steadyport:${section}`);
  return (message, ...values) => {
    process.stderr.write(`STEADYPORT ${section} ${process.pid}: ${format(message, ...values)}\n`);
  };
};

/** Whether the debug log of the section is on, for code that must not pay for a log that is off. */
export const isDebugEnabled = (section: DebugSection): boolean =>
  isEnabled(section) || debuglog(`steadyport:${section}`).enabled;

const isEnabled = (section: DebugSection): boolean => {
  const sections = (process.env['STEADYPORT_DEBUG'] ?? '').split(',').map((name) => name.trim());
  return sections.includes(section) || sections.includes('all');
};
