import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** readline passes the socket's errors on as its own; the socket's handler has them already. */
export const onLine = (socket: Socket, handleLine: (line: string) => void): void => {
  createInterface({ input: socket })
    .on('line', handleLine)
    .on('error', () => {});
};

/** One line; JSON may hold the two other characters that end a line for readline, so they are escaped. */
export const frame = (message: object): string =>
  `${JSON.stringify(message).replace(/[\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16)}`)}\n`;
