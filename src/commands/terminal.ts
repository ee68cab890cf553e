import colours from 'picocolors';
import type { Settings } from '../config/settings.ts';
import { prefixCommands } from '../lib/command-lines.ts';
import type { TextStyle } from '../status/render.ts';

/** The columns of a line. Default, where there is no terminal: 120. */
export const columnsOf = ({ columns }: Settings): number => columns ?? process.stdout.columns ?? 120;

/** Colours where stdout is a terminal, and plain text elsewhere. */
export const paint: TextStyle = { success: colours.green, error: colours.red, dim: colours.dim };

/** The text with the commands of the place: those of the demo act on its PM2, and not on the user's. */
export const withOwnCommands = (text: string, { commandPrefix }: Settings): string =>
  commandPrefix === undefined ? text : prefixCommands(text, commandPrefix);
