import colours from 'picocolors';
import type { Settings } from '../config/settings.ts';
import { prefixCommands } from '../lib/command-lines.ts';
import type { TextStyle } from '../status/render.ts';

/**
 * The columns of a line: COLUMNS, or those of the terminal; where there is neither, lines may be of any length. A terminal without
 * a size, as that of `docker exec -t` or of `ssh -tt` from cron, reports 0 columns (ioctl_tty(2), TIOCGWINSZ).
 */
export const columnsOf = ({ columns }: Pick<Settings, 'columns'>): number =>
  columns ?? (process.stdout.columns > 0 ? process.stdout.columns : Number.POSITIVE_INFINITY);

/** Writes a line to stderr that names this program. */
export const warn = (text: string): void => {
  process.stderr.write(`steadyport: ${text}\n`);
};

/** Colours where stdout is a terminal, and plain text elsewhere. */
export const paint: TextStyle = { success: colours.green, error: colours.red, dim: colours.dim };

/** The text with the commands of the place: those of the demo act on its PM2, and not on the user's. */
export const withOwnCommands = (text: string, { commandPrefix }: Settings): string =>
  commandPrefix === undefined ? text : prefixCommands(text, commandPrefix);
