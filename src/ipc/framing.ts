import type { Socket } from 'node:net';

/**
 * Calls `handleLine` for each complete line of the socket, without its line end. A line that the peer has not ended when
 * it leaves is dropped. Our own splitter, since node:readline takes 0.1 MB of every proxy.
 */
export const onLine = (socket: Socket, handleLine: (line: string) => void): void => {
  let unfinished = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    const end = text.lastIndexOf('\n');
    const lines = end < 0 ? [] : (unfinished + text.slice(0, end)).split('\n');
    unfinished = end < 0 ? unfinished + text : text.slice(end + 1);
    for (const line of lines) handleLine(line);
  });
};

/** Formats a message as one line: JSON escapes the line ends inside its strings (RFC 8259, section 7). */
export const frame = (message: object): string => `${JSON.stringify(message)}\n`;
