import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** Calls `handleLine` for each line. readline repeats the socket's errors as its own; they are ignored here, because the socket's handler has them already. */
export const onLine = (socket: Socket, handleLine: (line: string) => void): void => {
  createInterface({ input: socket })
    .on('line', handleLine)
    .on('error', () => {});
};

/** Formats a message as one line. JSON may contain U+2028 and U+2029, which end a line for readline, so they are escaped. */
export const frame = (message: object): string =>
  `${JSON.stringify(message).replace(/[\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16)}`)}\n`;
