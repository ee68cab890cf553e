// What one side of a connection does, drawn by chance. Clients and upstreams draw alike, so that every two fates meet.
import { randomInt } from 'node:crypto';
import { writeEndlessly } from './endless.js';

/** The longest time from the beginning of a side to its leaving. */
const MAX_STAY_MS = 200;
const DATA = Buffer.alloc(500_000, 'steadyport ');
const SIZES = [1, 100, 10_000, 100_000, DATA.length];

const pick = (list) => list[randomInt(list.length)];

/** `at once` is before anything is read; for a client it is before the connection is made. */
const drawFate = () => ({
  reads: pick([true, true, false]),
  writes: pick(['nothing', 'some', 'some', 'endlessly']),
  leaves: pick(['at once', 'later', 'later', 'later', 'after the peer']),
  by: pick(['end', 'end', 'close', 'reset', 'end and reset']),
});

/** After `end` a side reads to the end of its peer, which leaves within MAX_STAY_MS too. */
const LEAVE = {
  end: (socket) => socket.resume().end(),
  close: (socket) => socket.destroy(),
  reset: (socket) => socket.resetAndDestroy(),
  'end and reset': (socket) => socket.resume().end(() => socket.resetAndDestroy()),
};

/** Draws a fate for one side of a connection and lets it happen. @returns the fate */
export const meetFate = (socket) => {
  const fate = drawFate();
  const { reads, writes, leaves, by } = fate;
  let hasLeft = false;
  const leave = () => {
    if (!hasLeft && !socket.destroyed) LEAVE[by](socket);
    hasLeft = true;
  };
  const timer = setTimeout(leave, randomInt(MAX_STAY_MS));
  socket.on('close', () => clearTimeout(timer));
  if (reads) socket.resume();
  else socket.pause();
  if (leaves === 'after the peer') socket.on('end', leave);
  if (writes === 'some') socket.write(DATA.subarray(0, pick(SIZES)));
  if (writes === 'endlessly') writeEndlessly(socket, () => hasLeft);
  if (leaves === 'at once') leave();
  return fate;
};
